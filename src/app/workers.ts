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
import { listen } from "../io/listener.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";
import type { SocketAddress } from "../ports/transport.ts";
import type { LogOutputs } from "../telemetry/log_outputs.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import { type Postern, tellAddresses } from "./serve.ts";
import { type Thread, type WorkerEnd, WorkerThread } from "./worker_thread.ts";

/** A worker that crashes again is replaced at most once in this time, milliseconds. */
const REPLACE_MS = 1000;
/** What workers may take, beyond the grace of their sessions, to tell that they have ended; milliseconds. */
const END_MS = 5000;

/** What the workers are started with. */
export interface WorkersOptions {
  /** How many, at least 1. */
  readonly count: number;
  readonly log: Log;
  readonly outputs: LogOutputs;
  readonly clock: Clock;
  /** A new thread that runs `worker_main.ts`, or in tests another one. */
  readonly newThread?: (worker: number) => Thread;
}

/** Workers that serve. */
export interface Workers extends Postern {
  /** The counters of each worker, and of those that were in its place before. */
  readonly metrics: readonly MetricMemory[];
}

/**
 * Starts the workers and settles when all of them serve.
 * @throws {Error} when one cannot serve, as when somebody else listens on an address; none is left then.
 */
export async function serveWithWorkers(config: Config, options: WorkersOptions): Promise<Workers> {
  await checkFree(config);
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
export function workerCount({ main, servers }: Config): number {
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

/**
 * Opens the ports alone for a moment. Sockets that share a port do so with those of any other process of the same
 * user: a second Postern would take half of the connections instead of being told that the address is in use.
 */
async function checkFree({ servers }: Config): Promise<void> {
  const fixed = servers.flatMap((server) => server.listen)
    .filter(({ address }) => address.kind === "tcp" && address.port !== 0);
  for (const listener of await listen(fixed, { reusePort: false })) listener.close();
}

/** The place of a worker, which one thread after the other takes. */
interface Place {
  /** From 1. */
  readonly worker: number;
  readonly metrics: MetricMemory;
  thread: WorkerThread;
}

class RunningWorkers implements Workers {
  readonly #config: Config;
  readonly #options: WorkersOptions;
  readonly #connections = new SharedArrayBuffer(8);
  readonly #places: Place[] = [];
  readonly #keepers: Promise<void>[] = [];
  readonly #stopping = new AbortController();
  addresses: readonly SocketAddress[] = [];

  constructor(config: Config, options: WorkersOptions) {
    this.#config = config;
    this.#options = options;
  }

  get sessions(): number {
    return this.metrics.reduce((sum, block) => sum + block.active, 0);
  }

  get metrics(): readonly MetricMemory[] {
    return this.#places.map(({ metrics }) => metrics);
  }

  /** The first worker alone, as it learns the ports that the kernel chose; then the others at once. */
  async start(): Promise<void> {
    const first = this.#add(1);
    this.addresses = await servingOrError(first.thread);
    const others = [];
    for (let worker = 2; worker <= this.#options.count; worker++) others.push(this.#add(worker));
    await Promise.all(others.map(({ thread }) => servingOrError(thread)));
    for (const place of this.#places) this.#keepers.push(this.#keep(place));
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const { clock } = this.#options;
    const late = clock.deadline(() => {
      const reason = "the worker did not end in time";
      for (const { thread } of this.#places) thread.end({ kind: "crashed", reason });
    });
    late.arm(graceMs + END_MS);
    for (const { thread } of this.#places) thread.stop(graceMs);
    await Promise.all([...this.#keepers, ...this.#places.map(({ thread }) => thread.ended)]);
    late.disarm();
  }

  #add(worker: number): Place {
    const metrics = new MetricMemory();
    const place = { worker, metrics, thread: this.#newThread(worker, metrics) };
    this.#places.push(place);
    return place;
  }

  #newThread(worker: number, metrics: MetricMemory): WorkerThread {
    const thread = (this.#options.newThread ?? newWorker)(worker);
    const config = configOf(worker, this.#config, this.addresses);
    const start = { worker, config, metrics: metrics.memory, connections: this.#connections };
    return new WorkerThread(thread, { kind: "start", ...start }, this.#options.outputs);
  }

  /** Keeps a place taken until all is to end. */
  async #keep(place: Place): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    let replacedAt = -Infinity;
    for (;;) {
      const end = await place.thread.ended;
      if (end.kind === "crashed") this.#tellCrash(place, end.reason);
      if (signal.aborted) return;
      const waitMs = replacedAt + REPLACE_MS - clock.now();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
      replacedAt = clock.now();
      place.thread = this.#newThread(place.worker, place.metrics);
      const { worker } = place;
      if (await place.thread.serving === null) continue;
      log.event("notice", "worker_replaced", `worker ${worker} serves again`, null, { worker });
    }
  }

  #tellCrash({ worker, metrics }: Place, reason: string): void {
    const sessions = metrics.abandon();
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
