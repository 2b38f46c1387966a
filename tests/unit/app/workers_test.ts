import assert from "node:assert/strict";
import { limitsInMemory } from "../../../src/app/limits.ts";
import { serveWithWorkers, workerCount, type Workers } from "../../../src/app/workers.ts";
import type { FromWorker, ToWorker } from "../../../src/app/worker_messages.ts";
import type { Thread } from "../../../src/app/worker_thread.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/settings.ts";
import type { SocketAddress } from "../../../src/ports/transport.ts";
import type { Log, LogFields } from "../../../src/ports/telemetry.ts";
import { LogOutputs } from "../../../src/telemetry/log_outputs.ts";
import { MetricMemory } from "../../../src/telemetry/metric_memory.ts";
import { CountedMetrics, NO_METRICS } from "../../../src/telemetry/metrics.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { withTempDir } from "../../support/temp_dir.ts";

type Start = ToWorker & { readonly kind: "start" };

/** A thread that does what the test says. */
class FakeThread implements Thread {
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly received: ToWorker[] = [];
  terminated = false;

  postMessage(message: ToWorker): void {
    this.received.push(structuredClone(message));
    if (message.kind === "stop") this.say({ kind: "stopped" });
    if (message.kind === "prepare") this.prepare(message.config);
  }

  terminate(): void {
    this.terminated = true;
  }

  get start(): Start {
    const [first] = this.received;
    assert.ok(first?.kind === "start");
    return first;
  }

  /** The question that it was asked last. */
  asked(): Extract<ToWorker, { kind: "ask" }> {
    const last = this.received.at(-1);
    assert.ok(last?.kind === "ask");
    return last;
  }

  say(data: FromWorker): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }

  /** Answers to a configuration that is to be made ready; by default it can be used. */
  prepare(config: Config): void {
    this.say({ kind: "prepared", addresses: addressesOf(config, 50_000) });
  }

  /** Listens everywhere, on `port` where the kernel chooses. */
  serve(port: number): void {
    this.say({ kind: "serving", addresses: addressesOf(this.start.config, port) });
  }

  crash(message: string): void {
    this.onerror?.(new ErrorEvent("error", { message, cancelable: true }));
  }
}

function addressesOf(config: Config, port: number): SocketAddress[] {
  return config.servers.flatMap(({ listen }) => listen).map(({ address }) =>
    address.kind === "tcp" && address.port === 0 ? { ...address, port } : address
  );
}

interface Event {
  readonly event: string;
  readonly fields: LogFields;
}

/** Workers of which the test plays the threads. */
class Stage {
  readonly threads: FakeThread[] = [];
  readonly events: Event[] = [];
  readonly clock = new ManualClock();
  readonly outputs = new LogOutputs();
  readonly limits = limitsInMemory(NO_METRICS);
  readonly log: Log = {
    enabled: () => true,
    event: (_level, event, _message, _session, fields = {}) => void this.events.push({ event, fields }),
  };

  serve(config: Config, count: number): Promise<Workers> {
    const { log, outputs, clock, limits } = this;
    return serveWithWorkers(config, { count, log, outputs, clock, limits, newThread: () => this.#add() });
  }

  /** Starts `count` workers, all of which serve. */
  async serving(config: Config, count: number): Promise<Workers> {
    const started = this.serve(config, count);
    for (let index = 0; index < count; index++) {
      await until(() => this.threads.length > index);
      this.threads[index]!.serve(40_000 + index);
    }
    return await started;
  }

  #add(): FakeThread {
    const thread = new FakeThread();
    this.threads.push(thread);
    return thread;
  }
}

/** Waits until `done`, as long as something may run. */
async function until(done: () => boolean): Promise<void> {
  for (let turns = 0; !done(); turns++) {
    assert.ok(turns < 10_000, `not reached: ${done}`);
    await turn();
  }
}

/** Lets everything run that can. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function configOf(mail: Readonly<Record<string, unknown>>): Config {
  const text = JSON.stringify({ mail: { auth_http: "127.0.0.1:1", server_name: "mail.test", ...mail } });
  const config = loadConfig(text, "postern.yaml", {
    readText: () => assert.fail("no file is to be read"),
    hostname: () => "box.example",
  });
  assert.ok(!Array.isArray(config), JSON.stringify(config));
  return config as Config;
}

const ONE_PORT = configOf({ servers: [{ listen: "127.0.0.1:0" }] });

function listensOf(thread: FakeThread): string[][] {
  return thread.start.config.servers.map(({ listen }) =>
    listen.map(({ address }) => address.kind === "tcp" ? `${address.host}:${address.port}` : address.path)
  );
}

Deno.test("the first worker learns the ports that the kernel chose, and has the Unix sockets for itself", async () => {
  const stage = new Stage();
  const config = configOf({
    servers: [{ listen: ["127.0.0.1:0", "unix:/run/a.sock"] }, {
      listen: ["unix:/run/b.sock", "127.0.0.2:0"],
    }],
  });
  const workers = await stage.serving(config, 3);
  const [first, ...others] = stage.threads;
  assert.deepEqual(listensOf(first!), [["127.0.0.1:0", "/run/a.sock"], ["/run/b.sock", "127.0.0.2:0"]]);
  for (const thread of others) {
    assert.deepEqual(listensOf(thread), [["127.0.0.1:40000"], ["127.0.0.2:40000"]]);
  }
  assert.deepEqual(
    stage.events.map(({ event, fields }) => `${event} ${fields["address"]}`),
    ["127.0.0.1:40000", "unix:/run/a.sock", "unix:/run/b.sock", "127.0.0.2:40000"].map((each) =>
      `listening ${each}`
    ),
  );
  assert.deepEqual(stage.threads.map(({ start }) => start.worker), [1, 2, 3]);
  first!.crash("gone");
  await turn();
  assert.deepEqual(listensOf(stage.threads[3]!), [["127.0.0.1:40000", "/run/a.sock"], [
    "/run/b.sock",
    "127.0.0.2:40000",
  ]]);
  await workers.stop(0);
});

Deno.test("a worker that cannot serve fails the start, and none is left", async () => {
  for (const failing of [0, 1]) {
    const stage = new Stage();
    const started = stage.serve(ONE_PORT, 2);
    for (let index = 0; index < failing; index++) {
      await until(() => stage.threads.length > index);
      stage.threads[index]!.serve(40_000);
    }
    await until(() => stage.threads.length > failing);
    stage.threads[failing]!.say({ kind: "failed", reason: "no certificate" });
    await assert.rejects(started, { message: "no certificate" });
    assert.deepEqual(stage.threads.map(({ terminated }) => terminated), Array(failing + 1).fill(true));
    assert.deepEqual(stage.events, []);
  }
});

Deno.test("a worker that crashes is replaced at once, then at most once a second", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  const crashes = () => stage.events.filter(({ event }) => event === "worker_crashed").length;
  stage.threads[1]!.crash("first");
  await turn();
  assert.equal(stage.threads.length, 3);
  assert.equal(stage.threads[1]!.terminated, true);
  stage.threads[2]!.serve(0);
  await turn();
  assert.deepEqual(stage.events.at(-1), { event: "worker_replaced", fields: { worker: 2 } });

  for (const round of [3, 4]) {
    stage.threads[round - 1]!.crash("again");
    await turn();
    stage.clock.advance(999);
    await turn();
    assert.deepEqual([stage.threads.length, crashes()], [round, round - 1]);
    stage.clock.advance(1);
    await turn();
    assert.equal(stage.threads.length, round + 1);
  }
  // Another worker's crashes have a time of their own.
  stage.threads[0]!.crash("elsewhere");
  await turn();
  assert.equal(stage.threads.length, 6);
  await workers.stop(0);
  assert.ok(stage.threads.every(({ terminated }) => terminated));
});

Deno.test("a worker that crashes while all stop is told and not replaced, nor is one that waits to be", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  stage.threads[0]!.crash("first");
  await turn();
  stage.threads[2]!.crash("second");
  await turn();
  // Nobody answers that it has stopped.
  stage.threads[1]!.postMessage = () => {};
  const stopped = workers.stop(1000);
  stage.threads[1]!.crash("at the end");
  await stopped;
  assert.equal(stage.threads.length, 3);
  assert.deepEqual(
    stage.events.filter(({ event }) => event === "worker_crashed").map(({ fields }) => fields["reason"]),
    ["first", "second", "at the end"],
  );
  assert.equal(stage.clock.armed, 0);
});

Deno.test("a worker that does not end is ended", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  stage.threads[0]!.postMessage = () => {};
  const stopped = workers.stop(1000);
  await stage.clock.armedFor(6000);
  stage.clock.advance(6000);
  await stopped;
  assert.equal(stage.threads[0]!.terminated, true);
});

Deno.test("the counters of a worker outlive it, and its sessions are counted as ended", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  const countersOf = (thread: FakeThread) => new CountedMetrics(new MetricMemory(thread.start.metrics));
  for (const thread of stage.threads) countersOf(thread).connectionOpened("127.0.0.1:40000");
  countersOf(stage.threads[0]!).connectionOpened("127.0.0.1:40000");
  assert.equal(workers.sessions, 3);
  stage.threads[0]!.crash("gone");
  await turn();
  assert.deepEqual(stage.events.at(-1), {
    event: "worker_crashed",
    fields: { worker: 1, reason: "gone", sessions: 2 },
  });
  assert.equal(workers.sessions, 1);
  countersOf(stage.threads[2]!).connectionOpened("127.0.0.1:40000");
  assert.equal(workers.sessions, 2);
  const opened = workers.metrics.flatMap(({ listeners }) =>
    [...listeners.entries()].map(([, [count]]) => count)
  );
  assert.deepEqual(opened, [3, 1]);
  await workers.stop(0);
});

Deno.test("the lines of workers are written, and each is told whether they are", async () => {
  await withTempDir(async (directory) => {
    const stage = new Stage();
    const workers = await stage.serving(ONE_PORT, 2);
    const to = { kind: "file", path: `${directory}/a.log` } as const;
    const missing = { kind: "file", path: `${directory}/missing/a.log` } as const;
    const [first, second] = stage.threads;
    const octets = (text: string) => new TextEncoder().encode(text);
    first!.say({ kind: "lines", ticket: 1, to, octets: octets("one\n") });
    second!.say({ kind: "lines", ticket: 1, to, octets: octets("two\n") });
    second!.say({ kind: "lines", ticket: 2, to: missing, octets: octets("three\n") });
    await until(() => second!.received.length >= 3 && first!.received.length >= 2);
    assert.deepEqual(first!.received.slice(1), [{ kind: "written", ticket: 1, ok: true }]);
    assert.deepEqual(
      second!.received.slice(1).toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1),
      [{ kind: "written", ticket: 1, ok: true }, { kind: "written", ticket: 2, ok: false }],
    );
    assert.equal(await Deno.readTextFile(to.path), "one\ntwo\n");
    await workers.stop(0);
  });
});

/** What a thread was told after its start. */
function toldTo(thread: FakeThread): string[] {
  return thread.received.slice(1).map(({ kind }) => kind);
}

Deno.test("another configuration is made ready by all workers before any uses it", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  const prepared = await workers.prepare(
    configOf({
      worker_processes: 2,
      servers: [{ listen: ["127.0.0.1:0", "127.0.0.1:0", "unix:/run/a.sock"] }],
    }),
  );
  assert.deepEqual(stage.threads.map(toldTo), [["prepare"], ["prepare"]]);
  const listens = stage.threads.map(({ received }) => {
    const last = received.at(-1)!;
    assert.ok(last.kind === "prepare");
    return addressesOf(last.config, 0).map((address) => address.kind === "tcp" ? address.port : address.path);
  });
  // The port that there is stays, the kernel chooses the new one once.
  assert.deepEqual(listens, [[40_000, 0, "/run/a.sock"], [40_000, 50_000]]);
  await prepared.commit();
  assert.deepEqual(stage.threads.map(toldTo), [["prepare", "commit"], ["prepare", "commit"]]);
  assert.equal(workers.addresses.length, 3);
  // Whoever takes the place of a dead one begins with it.
  stage.threads[1]!.crash("gone");
  await turn();
  assert.deepEqual(listensOf(stage.threads[2]!), [["127.0.0.1:40000", "127.0.0.1:50000"]]);
  await workers.stop(0);
});

Deno.test("a configuration that one worker cannot use is given up by all", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 3);
  stage.threads[1]!.prepare = function () {
    this.say({ kind: "unprepared", reason: "no certificate" });
  };
  await assert.rejects(workers.prepare(configOf({ servers: [{ listen: "127.0.0.1:0" }] })), /no certificate/);
  assert.deepEqual(stage.threads.map(toldTo), [["prepare", "abort"], ["prepare"], ["prepare", "abort"]]);
  stage.threads[0]!.crash("gone");
  await turn();
  assert.deepEqual(stage.threads[3]!.start.config.servers[0]!.server_name, "mail.test");
  await workers.stop(0);
});

Deno.test("a worker that crashes while a configuration is made ready is replaced when that is decided", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  const next = { worker_processes: 2, server_name: "new.test", servers: [{ listen: "127.0.0.1:0" }] };
  stage.threads[1]!.prepare = function () {
    this.crash("gone");
  };
  const prepared = await workers.prepare(configOf(next));
  await turn();
  assert.equal(stage.threads.length, 2);
  await prepared.commit();
  await turn();
  assert.equal(stage.threads[2]!.start.config.servers[0]!.server_name, "new.test");
  await workers.stop(0);
});

Deno.test("more workers are started and some end when the configuration says so; no count is lost", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  const change = async (count: number) =>
    await (await workers.prepare(configOf({ worker_processes: count, servers: [{ listen: "127.0.0.1:0" }] })))
      .commit();
  await change(3);
  assert.deepEqual([stage.threads.length, stage.threads[2]!.start.worker], [3, 3]);
  stage.threads[2]!.serve(0);
  const counters = new CountedMetrics(new MetricMemory(stage.threads[2]!.start.metrics));
  counters.connectionOpened("127.0.0.1:40000");
  counters.connectionClosed("127.0.0.1:40000", "quit", 1);
  await change(1);
  await turn();
  assert.deepEqual(stage.threads.map(({ terminated }) => terminated), [false, true, true]);
  const opened = workers.metrics.flatMap(({ listeners }) =>
    [...listeners.entries()].map(([, [count]]) => count)
  );
  assert.deepEqual([opened, workers.sessions], [[1], 0]);
  assert.deepEqual(stage.events.filter(({ event }) => event !== "listening"), []);
  await workers.stop(0);
  assert.equal(stage.threads.length, 3);
});

const THREE = { worker_processes: 3, servers: [{ listen: "25" }] };
const COUNTS: readonly (readonly [string, Readonly<Record<string, unknown>>, string, number])[] = [
  ["a number", THREE, "linux", 3],
  [
    "one for each core by default",
    { servers: [{ listen: "25" }] },
    "linux",
    Math.min(navigator.hardwareConcurrency, 64),
  ],
  [
    "one where only Unix sockets are served",
    { worker_processes: 3, servers: [{ listen: "unix:/a" }] },
    "linux",
    1,
  ],
  ["one where threads cannot share a port, macOS", THREE, "darwin", 1],
  ["one where threads cannot share a port, Windows", THREE, "windows", 1],
];

for (const [name, mail, os, count] of COUNTS) {
  Deno.test(`workerCount(): ${name}`, () => {
    assert.equal(workerCount(configOf(mail), os), count);
  });
}

Deno.test("a question goes to every worker, and one that is dead or stuck does not hold the others up", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 3);
  const answers = workers.ask({ about: "end", id: "a1" });
  const [first, second] = stage.threads;
  const { ticket } = first!.asked();
  first!.say({ kind: "answer", ticket, answer: { about: "end", ended: true } });
  first!.say({ kind: "answer", ticket, answer: { about: "end", ended: false } });
  second!.crash("planted");
  stage.clock.advance(1000);
  assert.deepEqual((await answers).map(({ worker, answer }) => [worker, answer]), [
    [1, { about: "end", ended: true }],
    [2, null],
    [3, null],
  ]);
  await workers.stop(0);
  assert.deepEqual((await workers.ask({ about: "pulse" })).map(({ answer }) => answer), [null, null, null]);
});

Deno.test("users who are held are held in every worker, and in one that takes another's place", async () => {
  const stage = new Stage();
  const workers = await stage.serving(ONE_PORT, 2);
  const holds = { users: ["ada"], waitMs: 5 };
  workers.hold(holds);
  for (const thread of stage.threads) assert.deepEqual(thread.received.at(-1), { kind: "hold", holds });
  stage.threads[1]!.crash("planted");
  await until(() => stage.threads.length === 3);
  assert.deepEqual(stage.threads[2]!.start.holds, holds);
  stage.threads[2]!.serve(40_000);
  assert.equal(workers.crashes, 1);
  await workers.stop(0);
});
