/**
 * Runs a configuration: opens its listeners, serves their connections, lets another configuration follow it, and ends
 * all in order.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Config, ServerSettings } from "../config/settings.ts";
import { BufferPool } from "../driver/buffer_pool.ts";
import type { Services } from "../driver/runtime.ts";
import type { SessionBoard } from "../driver/session_board.ts";
import type { SignInHolds } from "../driver/sign_in_holds.ts";
import type { LimitPorts } from "../driver/session_limits.ts";
import { createClock } from "../io/deadlines.ts";
import { UpstreamHealth } from "../driver/upstream_health.ts";
import { createDialer } from "../io/dialer.ts";
import { ListenSockets, type PreparedListeners } from "../io/listen_sockets.ts";
import { OwnListeners } from "../io/own_listeners.ts";
import type { AccessLog } from "../ports/access_log.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { checkFree } from "./free_addresses.ts";
import { Generation, type GenerationListener } from "./generation.ts";
import { pinPorts } from "./pinned_ports.ts";
import { runtimeTracer } from "../telemetry/runtime_tracer.ts";
import { VERSION } from "./version.ts";
import { limitPorts, openLimits } from "./limits.ts";
import type { CertificateExpiry } from "./tls_files.ts";

/** A running proxy. */
export interface Postern {
  /** Where it listens, in the order of the configuration; ports are the kernel's where 0 was asked for. */
  readonly addresses: readonly SocketAddress[];
  /** Sessions that are open now. */
  readonly sessions: number;
  /** The certificates for clients that are in force. */
  readonly certificates: readonly CertificateExpiry[];
  /**
   * Makes another configuration ready: files are read, and listeners opened that are not open. It changes nothing yet.
   * `logs` are those of the sessions that will begin under it, the present ones by default; `others` is where other
   * workers listen.
   * @throws {Error} when a file cannot be used or an address cannot be listened on; nothing has changed then.
   */
  prepare(
    config: Config,
    logs?: ServerLogs,
    others?: readonly SocketAddress[],
  ): Promise<PreparedConfig>;
  /**
   * Stops accepting, asks clients that only talk to Postern to come back later (421), and lets the others finish;
   * what is open after `graceMs` is cut. Settles when everything is closed. Calling it again shortens the grace.
   */
  stop(graceMs: number): Promise<void>;
}

/** The logs of sessions. */
export interface ServerLogs {
  /** For the sessions of a server. */
  forServer(settings: ServerSettings): Log;
  /** For the same sessions when they are over, or null. */
  accessFor(settings: ServerSettings): AccessLog | null;
  /** Called when another configuration has followed and the last session has ended. */
  close(): Promise<void>;
}

/** A configuration that is ready to follow the present one. */
export interface PreparedConfig {
  /** Where it listens. */
  readonly addresses: readonly SocketAddress[];
  /**
   * From now on connections are served with it; sessions that run end under the one before. Settles when listeners
   * that it does not have are closed.
   */
  commit(): Promise<void>;
  /** Leaves all as it is. */
  abort(): void;
}

export interface ServeOptions {
  /** Where the process is told of. */
  readonly log: Log;
  /** Where the sessions are told of; `log` by default. */
  readonly logs?: ServerLogs;
  readonly metrics: Metrics;
  /** Where clients are counted who have a limit; by default a store of its own. */
  readonly limits?: LimitPorts;
  /** Given in a worker, which listens where others listen too. */
  readonly worker?: WorkerShare;
  /** Where an operator sees the sessions, and holds users; nowhere by default. */
  readonly board?: SessionBoard;
  readonly holds?: SignInHolds;
}

/** What a worker has in common with the others. */
export interface WorkerShare {
  /** Numbers connections over all workers, from 1. */
  readonly nextConnection: () => number;
  /** Where the others listen, as far as they do already. */
  readonly listeners: readonly SocketAddress[];
}

/**
 * Opens all listeners of `config`, or none, and serves.
 * @throws {ListenError} when an address cannot be listened on.
 */
export async function serve(config: Config, options: ServeOptions): Promise<Postern> {
  const clock = createClock();
  const { log, metrics, worker } = options;
  const nextConnection = worker?.nextConnection ?? countFromOne();
  const { board = null, holds = null } = options;
  const own = new OwnListeners();
  const limits = options.limits === undefined ? await openLimits(config.main, { clock, log, metrics }) : null;
  const release = async () => {
    await limits?.store.close();
    clock.close();
  };
  const services = newServices({
    clock,
    dialer: createDialer(),
    log,
    metrics,
    tracer: runtimeTracer(VERSION),
    nextConnection,
    board,
    holds,
    limits: options.limits ?? limitPorts(limits!),
    isOwnListener: (address) => own.has(address),
  });
  const postern = new RunningPostern(services, own, worker === undefined, release);
  try {
    await (await postern.prepare(config, options.logs, worker?.listeners)).commit();
    // Of workers, all of which listen there, it is told once.
    if (worker === undefined) tellAddresses(log, postern.addresses);
    return postern;
  } catch (error) {
    await release();
    throw error;
  }
}

/** Logs where Postern listens. */
export function tellAddresses(log: Log, addresses: readonly SocketAddress[]): void {
  for (const address of addresses.map(formatSocketAddress)) {
    log.event("notice", "listening", `listening on ${address}`, null, { address });
  }
}

function countFromOne(): () => number {
  let count = 0;
  return () => ++count;
}

function newServices(ports: Omit<Services, "buffers" | "health" | "newSessionId">): Services {
  return {
    ...ports,
    health: new UpstreamHealth(ports.clock),
    buffers: new BufferPool(),
    newSessionId: sessionIds(),
  };
}

/** Ids that are made at a time: the runtime's calls for random octets and for hexadecimal cost the same for many. */
const IDS = 64;
/** Digits of an id: 64 random bits. */
const ID_DIGITS = 16;

/** Makes session ids, in hexadecimal. */
function sessionIds(): () => string {
  const octets = new Uint8Array(IDS * ID_DIGITS / 2);
  let digits = "";
  let at = 0;
  return () => {
    if (at === digits.length) {
      digits = crypto.getRandomValues(octets).toHex();
      at = 0;
    }
    return digits.slice(at, at += ID_DIGITS);
  };
}

class RunningPostern implements Postern {
  readonly #services: Services;
  readonly #own: OwnListeners;
  /** Whether nobody else in this process listens on its addresses. */
  readonly #alone: boolean;
  readonly #release: () => Promise<void>;
  readonly #sockets: ListenSockets<GenerationListener>;
  /** Those that have sessions or will have some. */
  readonly #generations = new Set<Generation>();
  /** The one that gets the connections. */
  #current: { readonly generation: Generation; readonly logs: ServerLogs } | null = null;
  /** Of those that others have followed. */
  readonly #formers = new Set<Promise<void>>();
  #stopped: Promise<void> | null = null;
  addresses: readonly SocketAddress[] = [];

  constructor(services: Services, own: OwnListeners, alone: boolean, release: () => Promise<void>) {
    this.#services = services;
    this.#own = own;
    this.#alone = alone;
    this.#release = release;
    this.#sockets = new ListenSockets(
      (accepted, { generation, runtime }) => generation.serve(accepted, runtime),
      (listener, reason) => {
        const message = `accept() on ${listener} failed: ${reason}`;
        services.log.event("crit", "accept_failed", message, null, { listener, reason });
      },
    );
    if (services.holds !== null) {
      services.holds.released = () => {
        for (const generation of this.#generations) generation.forgetAnswers();
      };
    }
  }

  get sessions(): number {
    return this.#generations.values().reduce((sum, { sessions }) => sum + sessions, 0);
  }

  get certificates(): readonly CertificateExpiry[] {
    return this.#current?.generation.certificates ?? [];
  }

  async prepare(
    config: Config,
    logs: ServerLogs = this.#processLogs(),
    others: readonly SocketAddress[] = [],
  ): Promise<PreparedConfig> {
    const current = this.#current;
    const pinned = current === null ? config : pinPorts(config, current.generation.config, this.addresses);
    const generation = await Generation.build(pinned, this.#services, logs, this.#failed);
    try {
      if (this.#alone) await checkFree(generation.listeners, this.addresses);
      const listeners = await this.#sockets.prepare(generation.listeners);
      return {
        addresses: listeners.addresses,
        commit: () => {
          this.#own.replace([...listeners.addresses, ...others]);
          return this.#commit({ generation, logs }, listeners);
        },
        abort: () => {
          listeners.abort();
          generation.abandon();
        },
      };
    } catch (error) {
      generation.abandon();
      throw error;
    }
  }

  async #commit(
    next: { readonly generation: Generation; readonly logs: ServerLogs },
    listeners: PreparedListeners<GenerationListener>,
  ): Promise<void> {
    const former = this.#current;
    this.#current = next;
    this.#generations.add(next.generation);
    this.addresses = listeners.addresses;
    await listeners.commit(next.generation.owners(listeners.addresses));
    if (former === null) return;
    const retired = this.#retire(former.generation).then(() => former.logs.close())
      .finally(() => this.#formers.delete(retired));
    this.#formers.add(retired);
  }

  #processLogs(): ServerLogs {
    return { forServer: () => this.#services.log, accessFor: () => null, close: () => Promise.resolve() };
  }

  /** A mistake of ours takes one connection, never the listener. */
  readonly #failed = (error: unknown): void => {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#services.log.event("crit", "internal_error", text, null);
  };

  async #retire(generation: Generation): Promise<void> {
    await generation.retire();
    this.#generations.delete(generation);
  }

  async stop(graceMs: number): Promise<void> {
    const cut = this.#services.clock.deadline(() => {
      for (const generation of this.#generations) generation.interrupt("abort");
    });
    cut.arm(graceMs);
    this.#stopped ??= this.#drain();
    await this.#stopped;
    cut.disarm();
  }

  async #drain(): Promise<void> {
    await this.#sockets.close();
    for (const generation of this.#generations) generation.drain();
    await Promise.all([...this.#generations.values().map((each) => this.#retire(each)), ...this.#formers]);
    await this.#release();
  }
}
