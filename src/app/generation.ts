import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Config, ListenSettings } from "../config/settings.ts";
import { Connection } from "../driver/connection.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "../driver/runtime.ts";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import type { Interruption } from "../session/joint.ts";
import type { Logs } from "./open_logs.ts";
import { buildServer } from "./server_runtime.ts";

/** One listener of a generation: what a connection is served with. */
export interface GenerationListener {
  readonly generation: Generation;
  readonly runtime: ListenerRuntime;
}

/** One configuration at work: its servers, and the sessions that began under it. */
export class Generation {
  readonly config: Config;
  readonly #servers: readonly ServerRuntime[];
  readonly #services: Services;
  readonly #sessions = new Set<Connection>();
  #idle: (() => void) | null = null;
  #retired: Promise<void> | null = null;

  private constructor(config: Config, servers: readonly ServerRuntime[], services: Services) {
    this.config = config;
    this.#servers = servers;
    this.#services = services;
  }

  /**
   * Makes the servers of `config` ready.
   * @throws {Error} when a file cannot be used any more.
   */
  static async build(
    config: Config,
    services: Services,
    logs: Pick<Logs, "forServer" | "accessFor">,
  ): Promise<Generation> {
    const servers: ServerRuntime[] = [];
    try {
      for (const settings of config.servers) {
        const log = logs.forServer(settings);
        servers.push(await buildServer(settings, { ...services, log, access: logs.accessFor(settings) }));
      }
    } catch (error) {
      for (const server of servers) server.auth.close();
      throw error;
    }
    return new Generation(config, servers, services);
  }

  /** The listeners of all servers, in order. */
  get listeners(): readonly ListenSettings[] {
    return this.config.servers.flatMap(({ listen }) => listen);
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** What serves the listeners once they have `addresses`. */
  owners(addresses: readonly SocketAddress[]): GenerationListener[] {
    const listeners = this.#servers.flatMap((server) =>
      server.settings.listen.map((settings) => ({ server, settings }))
    );
    return listeners.map((listener, at) => ({
      generation: this,
      runtime: { ...listener, text: formatSocketAddress(addresses[at]!) },
    }));
  }

  /** Serves one connection to its end. */
  async serve(accepted: Transport, listener: ListenerRuntime): Promise<void> {
    const connection = new Connection(accepted, listener, this.#services);
    this.#sessions.add(connection);
    try {
      await connection.run();
    } finally {
      this.#sessions.delete(connection);
      if (this.#sessions.size === 0) this.#idle?.();
    }
  }

  /** Interrupts all sessions. */
  interrupt(cause: Interruption): void {
    for (const session of this.#sessions) session.interrupt(cause);
  }

  /** Ends what serves the sessions, once the last of them has ended. To be called when no new ones come. */
  retire(): Promise<void> {
    return this.#retired ??= this.#retire();
  }

  async #retire(): Promise<void> {
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    this.abandon();
  }

  /** Ends what would have served: no session began. */
  abandon(): void {
    for (const server of this.#servers) server.auth.close();
  }
}
