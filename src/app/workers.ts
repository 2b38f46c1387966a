/**
 * Serves a configuration with several threads, the workers, which listen on the same ports: the kernel shares the
 * connections out among them.
 *
 * The first thread, where this runs, serves nobody. It starts the workers, puts another in the place of one that
 * crashed, adds their counters up and writes their log lines.
 *
 * @module
 */
import type { Config, ListenSettings } from "../config/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";
import type { SocketAddress } from "../ports/transport.ts";
import type { LogOutputs } from "../telemetry/log_outputs.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import { checkFree } from "./free_addresses.ts";
import type { ProcessLimits } from "./limits.ts";
import { pinPorts } from "./pinned_ports.ts";
import { type Postern, type PreparedConfig, type ServerLogs, tellAddresses } from "./serve.ts";
import type { AdminAnswer, AdminQuestion } from "./admin_questions.ts";
import type { HeldUsers } from "./worker_messages.ts";
import { type Thread, type WorkerEnd, WorkerThread } from "./worker_thread.ts";

/** A worker that crashes again is replaced at most once in this time, milliseconds. */
const REPLACE_MS = 1000;
/** What a worker may take to answer a question, milliseconds. */
const ANSWER_MS = 1000;
/** What workers may take, beyond the grace of their sessions, to tell that they have ended; milliseconds. */
const END_MS = 5000;
/** What the sessions of a worker may take that is not needed any more, milliseconds. */
const LEAVE_MS = 24 * 3_600_000;

/** What the workers are started with. */
export interface WorkersOptions {
  /** How many, at least 1. */
  readonly count: number;
  readonly log: Log;
  readonly outputs: LogOutputs;
  readonly clock: Clock;
  /** Logs of this thread, closed when another configuration follows. */
  readonly logs?: ServerLogs;
  /** Where the clients of all workers are counted. */
  readonly limits: Pick<ProcessLimits, "store" | "markKey">;
  /** A new thread that runs `worker_main.ts`, or in tests another one. */
  readonly newThread?: (worker: number) => Thread;
}

/** Threads that serve: workers, or this thread alone. */
export interface Workers extends Omit<Postern, "certificates"> {
  /** How many there are. */
  readonly count: number;
  /** The counters of each worker, and of those that were in its place before. */
  readonly metrics: readonly MetricMemory[];
  /** Workers that have crashed so far. */
  readonly crashes: number;
  /** Asks every worker something; none is waited for longer than a second. */
  ask(question: AdminQuestion): Promise<readonly WorkerAnswer[]>;
  /** Holds exactly these users from now on, in workers that are yet to come too. */
  hold(holds: HeldUsers): void;
}

/** What a worker answered; null when it gave no answer in time. */
export interface WorkerAnswer {
  readonly worker: number;
  readonly answer: AdminAnswer | null;
  /** How long that took, milliseconds. */
  readonly ms: number;
}

/**
 * Starts the workers and settles when all of them serve.
 * @throws {Error} when one cannot serve, as when somebody else listens on an address; none is left then.
 */
export async function serveWithWorkers(config: Config, options: WorkersOptions): Promise<Workers> {
  await checkFree(config.servers.flatMap(({ listen }) => listen), []);
  const running = new RunningWorkers(config, options);
  try {
    await running.start();
  } catch (error) {
    await running.stop(0);
    throw error;
  }
  tellAddresses(options.log, running.addresses);
  return running;
}

/** The threads that a configuration asks for: one where there is nothing to share. */
export function workerCount({ main, servers }: Config, os: string = Deno.build.os): number {
  // Elsewhere the runtime does not let threads share a port.
  if (os !== "linux") return 1;
  // A Unix socket cannot be listened on twice.
  const shared = servers.some(({ listen }) => listen.some(({ address }) => address.kind === "tcp"));
  if (!shared) return 1;
  return main.worker_processes === "auto"
    ? Math.min(navigator.hardwareConcurrency, 64)
    : main.worker_processes;
}

function newWorker(worker: number): Thread {
  return new Worker(new URL("./worker_main.ts", import.meta.url), {
    type: "module",
    name: `worker ${worker}`,
  });
}

/** The place of a worker, which one thread after the other takes. */
interface Place {
  /** From 1. */
  readonly worker: number;
  readonly metrics: MetricMemory;
  thread: WorkerThread;
  /** Whether nobody is to take it after the thread that has it. */
  given: boolean;
}

class RunningWorkers implements Workers {
  #config: Config;
  readonly #options: WorkersOptions;
  #logs: ServerLogs | null;
  /** While another configuration is made ready: nobody is replaced meanwhile. */
  #changing: Promise<unknown> = Promise.resolve();
  /** Places that are given up, while sessions are left. */
  readonly #leaving: Place[] = [];
  /** Counters of places that are no more. */
  readonly #left = new MetricMemory();
  readonly #connections = new SharedArrayBuffer(8);
  #places: Place[] = [];
  readonly #keepers = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  addresses: readonly SocketAddress[] = [];
  crashes = 0;
  #holds: HeldUsers = { users: [], waitMs: 0 };

  constructor(config: Config, options: WorkersOptions) {
    this.#config = config;
    this.#options = options;
    this.#logs = options.logs ?? null;
  }

  get count(): number {
    return this.#places.length;
  }

  get sessions(): number {
    return this.metrics.reduce((sum, block) => sum + block.active, 0);
  }

  get metrics(): readonly MetricMemory[] {
    return [...[...this.#places, ...this.#leaving].map(({ metrics }) => metrics), this.#left];
  }

  async ask(question: AdminQuestion): Promise<readonly WorkerAnswer[]> {
    const places = this.#places;
    const answers = await Promise.all([...places, ...this.#leaving].map(async ({ worker, thread }) => {
      const asked = performance.now();
      const answer = await thread.ask(question, this.#options.clock, ANSWER_MS);
      return { worker, answer, ms: performance.now() - asked };
    }));
    // One that is given up may end at any time.
    return answers.filter(({ answer }, at) => answer !== null || at < places.length);
  }

  hold(holds: HeldUsers): void {
    this.#holds = holds;
    for (const { thread } of [...this.#places, ...this.#leaving]) thread.hold(holds);
  }

  /** The first worker alone, as it learns the ports that the kernel chose; then the others at once. */
  async start(): Promise<void> {
    const first = this.#add(1);
    this.addresses = await servingOrError(first.thread);
    const others = [];
    for (let worker = 2; worker <= this.#options.count; worker++) others.push(this.#add(worker));
    await Promise.all(others.map(({ thread }) => servingOrError(thread)));
    for (const place of this.#places) this.#guard(place);
  }

  async prepare(config: Config, logs: ServerLogs | null = null): Promise<PreparedConfig> {
    const pinned = pinPorts(config, this.#config, this.addresses);
    await checkFree(pinned.servers.flatMap(({ listen }) => listen), this.addresses);
    const { promise: changed, resolve: settle } = Promise.withResolvers<void>();
    this.#changing = changed;
    const ready: WorkerThread[] = [];
    const abort = () => {
      for (const thread of ready) thread.abort();
      settle();
    };
    try {
      const [first, ...others] = this.#places;
      const addresses = await this.#prepareAt(first!, configOf(1, pinned, []), [], ready);
      if (addresses === null) throw new Error("a worker crashed meanwhile");
      const rest = others.map((place) =>
        this.#prepareAt(place, configOf(place.worker, pinned, addresses), addresses, ready)
      );
      // All of them: one that answers late must not be forgotten.
      for (const answer of await Promise.allSettled(rest)) {
        if (answer.status === "rejected") throw answer.reason;
      }
      const commit = () => {
        this.#commit(pinned, addresses, ready, logs);
        settle();
        return Promise.resolve();
      };
      return { addresses, commit, abort };
    } catch (error) {
      abort();
      throw error;
    }
  }

  /** Where the worker would listen; null when it has crashed, so that the next one begins with what is decided. */
  async #prepareAt(
    { thread }: Place,
    config: Config,
    listeners: readonly SocketAddress[],
    ready: WorkerThread[],
  ): Promise<readonly SocketAddress[] | null> {
    const answer = await thread.prepare(config, listeners);
    if (answer !== null && "reason" in answer) throw new Error(answer.reason);
    if (answer !== null) ready.push(thread);
    return answer;
  }

  #commit(
    config: Config,
    addresses: readonly SocketAddress[],
    ready: readonly WorkerThread[],
    logs: ServerLogs | null,
  ): void {
    this.#config = config;
    this.addresses = addresses;
    for (const thread of ready) thread.commit();
    if (logs !== null) {
      void this.#logs?.close();
      this.#logs = logs;
    }
    this.#resize(workerCount(config));
  }

  /** Takes places away, whose sessions end on their own, or adds some. */
  #resize(count: number): void {
    for (const place of this.#places.slice(count)) {
      place.given = true;
      place.thread.stop(LEAVE_MS);
    }
    this.#leaving.push(...this.#places.slice(count));
    this.#places = this.#places.slice(0, count);
    for (let worker = this.#places.length + 1; worker <= count; worker++) this.#guard(this.#add(worker));
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const { clock } = this.#options;
    const all = () => [...this.#places, ...this.#leaving];
    const late = clock.deadline(() => {
      const reason = "the worker did not end in time";
      for (const { thread } of all()) thread.end({ kind: "crashed", reason });
    });
    late.arm(graceMs + END_MS);
    for (const { thread } of all()) thread.stop(graceMs);
    await Promise.all([...this.#keepers, ...all().map(({ thread }) => thread.ended)]);
    late.disarm();
  }

  #add(worker: number): Place {
    const metrics = new MetricMemory();
    const place = { worker, metrics, thread: this.#newThread(worker, metrics), given: false };
    this.#places.push(place);
    return place;
  }

  #guard(place: Place): void {
    const keeper = this.#keep(place).finally(() => this.#keepers.delete(keeper));
    this.#keepers.add(keeper);
  }

  #newThread(worker: number, metrics: MetricMemory): WorkerThread {
    const thread = (this.#options.newThread ?? newWorker)(worker);
    const config = configOf(worker, this.#config, this.addresses);
    const { outputs, limits: { store, markKey } } = this.#options;
    const start = {
      worker,
      config,
      metrics: metrics.memory,
      connections: this.#connections,
      listeners: this.addresses,
      holds: this.#holds,
      markKey,
    };
    return new WorkerThread(thread, { kind: "start", ...start }, { outputs, limits: store });
  }

  /** Keeps a place taken until all is to end. */
  async #keep(place: Place): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    let replacedAt = -Infinity;
    for (;;) {
      const end = await place.thread.ended;
      if (end.kind === "crashed") this.#tellCrash(place, end.reason);
      await this.#changing;
      if (place.given) return this.#leave(place);
      if (signal.aborted) return;
      const waitMs = replacedAt + REPLACE_MS - clock.now();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      await this.#changing;
      if (signal.aborted) return;
      if (place.given) return this.#leave(place);
      replacedAt = clock.now();
      place.thread = this.#newThread(place.worker, place.metrics);
      const { worker } = place;
      if (await place.thread.serving === null) continue;
      log.event("notice", "worker_replaced", `worker ${worker} serves again`, null, { worker });
    }
  }

  #leave(place: Place): void {
    this.#left.add(place.metrics);
    this.#leaving.splice(this.#leaving.indexOf(place), 1);
  }

  #tellCrash({ worker, metrics }: Place, reason: string): void {
    const sessions = metrics.abandon();
    this.crashes++;
    const message = `worker ${worker} crashed: ${reason}`;
    this.#options.log.event("crit", "worker_crashed", message, null, { worker, reason, sessions });
  }
}

async function servingOrError(thread: WorkerThread): Promise<readonly SocketAddress[]> {
  const addresses = await thread.serving;
  if (addresses !== null) return addresses;
  throw new Error(reasonOf(await thread.ended));
}

function reasonOf(end: WorkerEnd): string {
  return end.kind === "crashed" ? end.reason : "the worker was stopped";
}

/**
 * The configuration for one worker. The first serves all listeners; `addresses` are its own, once it has them. The
 * others leave the Unix sockets to it, as those cannot be shared.
 */
function configOf(worker: number, config: Config, addresses: readonly SocketAddress[]): Config {
  let index = 0;
  const servers = config.servers.map((server) => {
    const listen = server.listen.map((settings): ListenSettings => ({
      ...settings,
      address: addresses[index++] ?? settings.address,
    }));
    return { ...server, listen: listen.filter(({ address }) => worker === 1 || address.kind === "tcp") };
  });
  return { ...config, servers };
}
