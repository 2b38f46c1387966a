/**
 * Runs a configuration: opens its listeners, serves their connections, and ends them in order.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Config, ListenSettings, ServerSettings } from "../config/settings.ts";
import { BufferPool } from "../driver/buffer_pool.ts";
import { Connection } from "../driver/connection.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "../driver/runtime.ts";
import { createClock } from "../io/deadlines.ts";
import { createDialer } from "../io/dialer.ts";
import { listen } from "../io/listener.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { Listener, SocketAddress, Transport } from "../ports/transport.ts";
import { buildServer } from "./server_runtime.ts";

/** A running proxy. */
export interface Postern {
  /** Where it listens, in the order of the configuration; ports are the kernel's where 0 was asked for. */
  readonly addresses: readonly SocketAddress[];
  /** Sessions that are open now. */
  readonly sessions: number;
  /**
   * Stops accepting, asks clients that only talk to Postern to come back later (421), and lets the others finish;
   * what is open after `graceMs` is cut. Settles when everything is closed. Calling it again shortens the grace.
   */
  stop(graceMs: number): Promise<void>;
}

export interface ServeOptions {
  /** Where the process is told of. */
  readonly log: Log;
  /** Where the sessions of a server are told of; `log` by default. */
  readonly serverLog?: (settings: ServerSettings) => Log;
  readonly metrics: Metrics;
  /** Given in a worker, which listens where others listen too. */
  readonly worker?: WorkerShare;
}

/** What a worker has in common with the others. */
export interface WorkerShare {
  /** Numbers connections over all workers, from 1. */
  readonly nextConnection: () => number;
}

/**
 * Opens all listeners of `config`, or none, and serves.
 * @throws {ListenError} when an address cannot be listened on.
 */
export async function serve(config: Config, options: ServeOptions): Promise<Postern> {
  const clock = createClock();
  const { log, metrics, worker } = options;
  const nextConnection = worker?.nextConnection ?? countFromOne();
  const services = newServices({ clock, dialer: createDialer(), log, metrics, nextConnection });
  const servers: ServerRuntime[] = [];
  const entries: { listen: ListenSettings; server: ServerRuntime }[] = [];
  try {
    for (const settings of config.servers) {
      const server = await buildServer(settings, { ...services, log: options.serverLog?.(settings) ?? log });
      servers.push(server);
      for (const listen of settings.listen) entries.push({ listen, server });
    }
    const listeners = await listen(entries.map((entry) => entry.listen), {
      reusePort: worker !== undefined,
    });
    const runtimes = listeners.map((listener, at): ListenerRuntime => ({
      settings: entries[at]!.listen,
      server: entries[at]!.server,
      text: formatSocketAddress(listener.address),
    }));
    const addresses = listeners.map((listener) => listener.address);
    // Of workers, all of which listen there, it is told once.
    if (worker === undefined) tellAddresses(log, addresses);
    return new RunningPostern(listeners, runtimes, servers, services, () => clock.close());
  } catch (error) {
    for (const server of servers) server.auth.close();
    clock.close();
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

function newServices(ports: Omit<Services, "buffers" | "newSessionId">): Services {
  return {
    ...ports,
    buffers: new BufferPool(),
    newSessionId: () => {
      const [high, low] = crypto.getRandomValues(new Uint32Array(2));
      return high!.toString(16).padStart(8, "0") + low!.toString(16).padStart(8, "0");
    },
  };
}

class RunningPostern implements Postern {
  readonly #listeners: readonly Listener[];
  readonly #servers: readonly ServerRuntime[];
  readonly #services: Services;
  readonly #release: () => void;
  readonly #sessions = new Set<Connection>();
  readonly #loops: Promise<unknown>;
  #idle: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  constructor(
    listeners: readonly Listener[],
    runtimes: readonly ListenerRuntime[],
    servers: readonly ServerRuntime[],
    services: Services,
    release: () => void,
  ) {
    this.#listeners = listeners;
    this.#servers = servers;
    this.#services = services;
    this.#release = release;
    this.#loops = Promise.all(listeners.map((listener, at) => this.#acceptAll(listener, runtimes[at]!)));
  }

  get addresses(): readonly SocketAddress[] {
    return this.#listeners.map((listener) => listener.address);
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  async #acceptAll(listener: Listener, runtime: ListenerRuntime): Promise<void> {
    while (true) {
      const accepted = await listener.accept();
      if (accepted === null) return;
      this.#serve(accepted, runtime).catch((error) => {
        // A mistake of ours takes one connection, never the listener.
        accepted.close();
        const text = error instanceof Error ? error.stack ?? error.message : String(error);
        this.#services.log.event("crit", "internal_error", text, null);
      });
    }
  }

  async #serve(accepted: Transport, runtime: ListenerRuntime): Promise<void> {
    const connection = new Connection(accepted, runtime, this.#services);
    this.#sessions.add(connection);
    try {
      await connection.run();
    } finally {
      this.#sessions.delete(connection);
      if (this.#sessions.size === 0) this.#idle?.();
    }
  }

  async stop(graceMs: number): Promise<void> {
    const cut = this.#services.clock.deadline(() => {
      for (const session of this.#sessions) session.interrupt("abort");
    });
    cut.arm(graceMs);
    this.#stopped ??= this.#drain();
    await this.#stopped;
    cut.disarm();
  }

  async #drain(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    await this.#loops;
    for (const session of this.#sessions) session.interrupt("drain");
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    for (const server of this.#servers) server.auth.close();
    this.#release();
  }
}
