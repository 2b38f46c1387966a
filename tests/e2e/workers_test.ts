import assert from "node:assert/strict";
import { limitsInMemory } from "../../src/app/limits.ts";
import { serveWithWorkers, type Workers } from "../../src/app/workers.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/settings.ts";
import { createClock } from "../../src/io/deadlines.ts";
import type { LogFields } from "../../src/ports/telemetry.ts";
import { LogOutputs } from "../../src/telemetry/log_outputs.ts";
import type { MetricMemory } from "../../src/telemetry/metric_memory.ts";
import { NO_METRICS } from "../../src/telemetry/metrics.ts";
import { exposeMetrics } from "../../src/telemetry/metrics_text.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { withEdge, withPostern } from "../support/edge.ts";
import { messageContent } from "../support/message.ts";
import { within } from "../support/patience.ts";
import type { PosternProcess } from "../support/postern_process.ts";
import { accepted, ScriptedCallout } from "../support/scripted_callout.ts";
import { digestOf, SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** The kernel chooses the worker by a hash of addresses and ports: that all of so many go to one is no chance. */
const MANY = 64;

/** Connects until each of `count` workers has a client; answers one client for each, and closes the others. */
async function oneForEach(
  count: number,
  connect: () => Promise<{ readonly client: DialogueClient; readonly worker: number }>,
): Promise<ReadonlyMap<number, DialogueClient>> {
  const clients = new Map<number, DialogueClient>();
  for (let tries = 0; clients.size < count; tries++) {
    assert.ok(tries < MANY, `${MANY} connections went to ${clients.size} workers`);
    const { client, worker } = await connect();
    if (!clients.has(worker)) clients.set(worker, client);
    else await leave(client);
  }
  return clients;
}

async function leave(client: DialogueClient): Promise<void> {
  await client.quit();
  await client[Symbol.asyncDispose]();
}

/** Connects to a process and learns from the log which worker has the connection. */
async function connectTo(postern: PosternProcess) {
  const before = postern.log.filter(({ event }) => event === "client_connected").length;
  const client = await DialogueClient.connect({ port: postern.port() });
  await client.expect(/^220 /);
  await client.command("NOOP", /^250 /);
  const line = await postern.event("client_connected", ({ conn }) => conn === before + 1);
  return { client, worker: Number(line["worker"]) };
}

Deno.test("two workers share the connections of a port, and what they tell is about both", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({ worker_processes: 2, xclient: "off" }),
    servers: () => [{ listen: ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] }],
  }, async ({ postern, connect }) => {
    assert.equal(postern.log.filter(({ event }) => event === "listening").length, 3);
    assert.equal((await postern.event("ready"))["workers"], 2);
    await Promise.all(Array.from({ length: MANY }, async (_, index) => {
      await using client = await connect(index % 3);
      await client.command("EHLO client.example", /^250[ -]/);
      await client.authPlain(`user${index}`, "secret");
      await client.sendMessage(`Subject: ${index}\r\n\r\nx\r\n`);
      await client.quit();
    }));
    assert.equal(sink.messages.length, MANY);
    const all = Array.from({ length: MANY }, (_, index) => index + 1);
    for (const conn of all) await postern.event("session_closed", (line) => line["conn"] === conn);
    const closed = postern.log.filter(({ event }) => event === "session_closed");
    // Each number once, over both workers.
    assert.deepEqual(closed.map((line) => Number(line["conn"])).toSorted((a, b) => a - b), all);
    assert.deepEqual([...new Set(closed.map((line) => line["worker"]))].toSorted(), [1, 2]);
  });
});

Deno.test("SIGTERM reaches the sessions of every worker, and a second one cuts what is left", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({ worker_processes: 2, xclient: "off" }),
  }, async ({ postern }) => {
    const idle = await oneForEach(2, () => connectTo(postern));
    const busy = await oneForEach(2, () => connectTo(postern));
    for (const client of busy.values()) {
      await client.authPlain("alice", "secret");
      await client.beginMessage();
    }
    postern.signal("SIGTERM");
    for (const client of idle.values()) {
      await client.expect(/^421 4\.3\.2 mail\.test /);
      await client.expectEnd();
      await client[Symbol.asyncDispose]();
    }
    for (const client of busy.values()) await client.command("RCPT TO:<bob@example.test>", /^250[ -]/);
    postern.signal("SIGINT"); // another one: the same might be an echo of the first
    for (const client of busy.values()) {
      await client.expectEnd();
      await client[Symbol.asyncDispose]();
    }
    await postern.event("stopped");
  });
});

Deno.test("SIGUSR1 makes the lines of all workers go to the new file", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/mail.log`;
    const mail = { server_name: "mail.test", auth_http: "127.0.0.1:1", worker_processes: 2 };
    const servers = [{ listen: "127.0.0.1:0", error_log: `${path} info` }];
    await withPostern({ mail: { ...mail, servers } }, directory, async (postern) => {
      await Deno.rename(path, `${path}.1`);
      const watcher = Deno.watchFs(directory);
      postern.signal("SIGUSR1");
      for await (const { kind, paths } of watcher) {
        if (kind === "create" && paths.includes(path)) break;
      }
      const clients = await oneForEach(2, () => connectTo(postern));
      for (const client of clients.values()) await leave(client);
      await postern.stop();
      const text = await Deno.readTextFile(path);
      for (const worker of [1, 2]) {
        assert.match(text, new RegExp(` \\[info\\] ${postern.pid}#${worker}: \\*\\d+ client`));
      }
      assert.equal(await Deno.readTextFile(`${path}.1`), "");
    });
  });
});

Deno.test("Unix sockets are served by the first worker, ports by all", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/postern.sock`;
    const mail = { server_name: "mail.test", auth_http: "127.0.0.1:1", worker_processes: 2 };
    const servers = [{ listen: ["127.0.0.1:0", `unix:${path}`] }];
    await withPostern({ mail: { ...mail, servers } }, directory, async (postern) => {
      for (let conn = 1; conn <= 3; conn++) {
        await using client = await DialogueClient.connect({ path });
        await client.expect("220 mail.test ESMTP ready");
        await client.command("NOOP", /^250 /);
        const line = await postern.event("client_connected", (line) => line["conn"] === conn);
        assert.equal(line["worker"], 1);
        await client.quit();
      }
    });
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("an address that is in use fails the start, though workers would share it", async () => {
  const mail = { server_name: "mail.test", auth_http: "127.0.0.1:1", worker_processes: 2 };
  await withTempDir(async (directory) => {
    await withPostern(
      { mail: { ...mail, servers: [{ listen: "127.0.0.1:0" }] } },
      directory,
      async (postern) => {
        const config = read({ ...mail, servers: [{ listen: `127.0.0.1:${postern.port()}` }] });
        await assert.rejects(start(config, []).then(({ workers }) => workers), /Cannot listen on .*in use/);
      },
    );
  });
});

function read(mail: Readonly<Record<string, unknown>>): Config {
  const config = loadConfig(JSON.stringify({ mail }), "postern.yaml", {
    readText: () => assert.fail("no file is to be read"),
    hostname: () => "box.example",
  });
  assert.ok(!Array.isArray(config), JSON.stringify(config));
  return config as Config;
}

/** Events of the first thread, for those who wait for one. */
class Events {
  readonly #events: { readonly event: string; readonly fields: LogFields }[] = [];
  #waiting: (() => void)[] = [];

  readonly log = {
    enabled: () => true,
    event: (_level: string, event: string, _message: string, _session: unknown, fields: LogFields = {}) => {
      this.#events.push({ event, fields });
      for (const wake of this.#waiting.splice(0)) wake();
    },
  };

  /** The fields of the first event of this name. */
  async of(event: string): Promise<LogFields> {
    const find = async () => {
      for (;;) {
        const found = this.#events.find((each) => each.event === event);
        if (found !== undefined) return found.fields;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    return await within(find(), () => `waiting for the event ${event}`);
  }
}

/** Serves here, with two workers that crash when they are told to; `threads` gets each that is started. */
async function start(config: Config, threads: Worker[]): Promise<{ workers: Workers; events: Events }> {
  const events = new Events();
  const workers = await serveWithWorkers(config, {
    count: 2,
    log: events.log,
    outputs: new LogOutputs(),
    clock: createClock(),
    limits: limitsInMemory(NO_METRICS),
    newThread: () => {
      const thread = new Worker(new URL("../support/crashing_worker.ts", import.meta.url), {
        type: "module",
      });
      threads.push(thread);
      return thread;
    },
  });
  return { workers, events };
}

/** Connects and learns from the counters which worker has the connection. */
async function connectHere(workers: Workers) {
  const before = workers.metrics.map(openedOf);
  const [address] = workers.addresses;
  assert.ok(address?.kind === "tcp");
  const client = await DialogueClient.connect({ port: address.port });
  await client.expect(/^220 /);
  const worker = 1 + workers.metrics.findIndex((block, index) => openedOf(block) > before[index]!);
  return { client, worker };
}

function openedOf({ listeners }: MetricMemory): number {
  let opened = 0;
  for (const [, numbers] of listeners.entries()) opened += numbers[0]!;
  return opened;
}

async function valueOf(workers: Workers, series: RegExp): Promise<number> {
  const text = await exposeMetrics({
    process: { version: "1", runtime: "test", startedAt: 0 },
    blocks: workers.metrics,
  });
  const line = text.split("\n").find((each) => series.test(each));
  return Number(line?.slice(line.lastIndexOf(" ") + 1));
}

Deno.test("a worker that crashes takes only its own sessions along, and is replaced", async () => {
  await using sink = new SmtpSink();
  await using callout = new ScriptedCallout(() => accepted(sink.port));
  const threads: Worker[] = [];
  const { workers, events } = await start(
    read({
      server_name: "mail.test",
      auth_http: callout.url(),
      xclient: "off",
      log: "off",
      servers: [{ listen: "127.0.0.1:0" }],
    }),
    threads,
  );
  try {
    const clients = await oneForEach(2, () => connectHere(workers));
    const [lost, kept] = [clients.get(1)!, clients.get(2)!];
    await lost.authPlain("ada", "secret");
    await kept.authPlain("alice", "secret");
    const content = messageContent(3_000_000);
    await kept.command("MAIL FROM:<alice@example.test>", /^250[ -]/);
    await kept.command("RCPT TO:<bob@example.test>", /^250[ -]/);
    await kept.command("DATA", /^354 /);
    await kept.send(content.subarray(0, 1_000_000));

    const opened = await valueOf(workers, /^postern_sessions_started_total\{/);
    threads[0]!.postMessage({ kind: "crash" });
    const crash = await events.of("worker_crashed");
    assert.deepEqual([crash["worker"], crash["sessions"]], [1, 1]);
    assert.match(String(crash["reason"]), /told to crash/);
    await assert.rejects(lost.command("NOOP", /^/));
    await lost[Symbol.asyncDispose]();

    await kept.send(content.subarray(1_000_000));
    await kept.command(".", /^250[ -]/);
    await leave(kept);
    assert.deepEqual(sink.messages.map(({ digest }) => digest), [digestOf(content)]);

    assert.deepEqual(await events.of("worker_replaced"), { worker: 1 });
    assert.equal(threads.length, 3);
    // The counters of the dead one are still there, and its sessions are no longer open.
    assert.equal(await valueOf(workers, /^postern_sessions_started_total\{/), opened);
    assert.equal(await valueOf(workers, /^postern_sessions_ended_total\{.*"internal_error"/), 1);
    assert.equal(await valueOf(workers, /^postern_auth_total\{method="plain",outcome="accepted"/), 2);
    const again = await oneForEach(2, () => connectHere(workers));
    assert.equal(workers.sessions, 2);
    const stopped = workers.stop(10_000);
    for (const client of again.values()) {
      await client.expect(/^421 4\.3\.2 mail\.test /);
      await client.expectEnd();
      await client[Symbol.asyncDispose]();
    }
    await stopped;
    assert.equal(workers.sessions, 0);
  } finally {
    await workers.stop(0);
  }
});

Deno.test("what a worker had taken of a limit is free when it crashes", async () => {
  const threads: Worker[] = [];
  const { workers, events } = await start(
    read({
      server_name: "mail.test",
      auth_http: "127.0.0.1:1",
      log: "off",
      limit_conn: `total ${MANY}`,
      servers: [{ listen: "127.0.0.1:0" }],
    }),
    threads,
  );
  const clients: DialogueClient[] = [];
  try {
    const [address] = workers.addresses;
    assert.ok(address?.kind === "tcp");
    const { port } = address;
    const open = async (expected: RegExp) => {
      const client = await DialogueClient.connect({ port });
      clients.push(client);
      await client.expect(expected);
    };
    for (let place = 0; place < MANY; place++) await open(/^220 /);
    await open(/^421 4\.7\.0 /);
    await clients.at(-1)![Symbol.asyncDispose]();
    // What was sent away has no place, and is not to be lost with those that have one.
    while (workers.sessions > MANY) await new Promise((resolve) => setTimeout(resolve, 10));
    threads[0]!.postMessage({ kind: "crash" });
    const lost = Number((await events.of("worker_crashed"))["sessions"]);
    assert.ok(lost > 0 && lost <= MANY, `${lost} sessions were lost`);
    await events.of("worker_replaced");
    for (let place = 0; place < lost; place++) await open(/^220 /);
    await open(/^421 4\.7\.0 /);
  } finally {
    for (const client of clients) await client[Symbol.asyncDispose]();
    await workers.stop(0);
  }
});
