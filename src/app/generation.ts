import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Config, ListenSettings } from "../config/settings.ts";
import { Connection, type ConnectionOwner } from "../driver/connection.ts";
import { Roster } from "../driver/roster.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "../driver/runtime.ts";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import type { Interruption } from "../session/joint.ts";
import type { Logs } from "./open_logs.ts";
import { buildServer, offersTls } from "./server_runtime.ts";
import { type CertificateExpiry, type TlsSettings, tlsSettings } from "./tls_files.ts";
import { WatchedTls, type WatchPorts } from "./watched_tls.ts";

/** One listener of a generation: what a connection is served with. */
export interface GenerationListener {
  readonly generation: Generation;
  readonly runtime: ListenerRuntime;
}

/** One configuration at work: its servers, and the sessions that began under it. */
export class Generation implements ConnectionOwner {
  readonly config: Config;
  readonly #servers: readonly ServerRuntime[];
  readonly #tls: readonly WatchedTls[];
  readonly #services: Services;
  readonly #mistaken: (error: unknown) => void;
  readonly #sessions = new Roster<Connection>();
  #idle: (() => void) | null = null;
  #retired: Promise<void> | null = null;

  private constructor(
    config: Config,
    servers: readonly ServerRuntime[],
    tls: readonly WatchedTls[],
    services: Services,
    mistaken: (error: unknown) => void,
  ) {
    this.config = config;
    this.#servers = servers;
    this.#tls = tls;
    this.#services = services;
    this.#mistaken = mistaken;
  }

  /**
   * Makes the servers of `config` ready. `mistaken` is told of each session that a mistake of ours has ended.
   * @throws {Error} when a file cannot be used any more.
   */
  static async build(
    config: Config,
    services: Services,
    logs: Pick<Logs, "forServer" | "accessFor">,
    mistaken: (error: unknown) => void,
  ): Promise<Generation> {
    const servers: ServerRuntime[] = [];
    const shared = new Map<string, WatchedTls>();
    try {
      for (const settings of config.servers) {
        const log = logs.forServer(settings);
        const access = logs.accessFor(settings);
        const tls = offersTls(settings) ? await sharedTls(tlsSettings(settings), shared, services) : null;
        servers.push(await buildServer(settings, { ...services, log, access, tls }));
      }
    } catch (error) {
      for (const server of servers) server.auth.close();
      for (const tls of shared.values()) tls.close();
      throw error;
    }
    return new Generation(config, servers, [...shared.values()], services, mistaken);
  }

  /** The listeners of all servers, in order. */
  get listeners(): readonly ListenSettings[] {
    return this.config.servers.flatMap(({ listen }) => listen);
  }

  /** The certificates for clients, each file once. */
  get certificates(): readonly CertificateExpiry[] {
    const all = this.#tls.flatMap(({ certificates }) => certificates);
    return [...new Map(all.map((each) => [each.file, each])).values()];
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

  /** Serves one connection to its end; a mistake of ours takes this one only. */
  serve(accepted: Transport, listener: ListenerRuntime): void {
    let connection: Connection;
    try {
      connection = new Connection(accepted, listener, this.#services, this);
    } catch (error) {
      accepted.close();
      return this.#tell(error);
    }
    this.#sessions.add(connection);
    connection.serve();
  }

  /** For the connection. */
  over(connection: Connection): void {
    this.#sessions.remove(connection);
    if (this.#sessions.size === 0) this.#idle?.();
  }

  /** For the connection. */
  failed(connection: Connection, mistake: unknown): void {
    this.over(connection);
    this.#tell(mistake);
  }

  #tell(mistake: unknown): void {
    try {
      this.#mistaken(mistake);
    } catch {
      // Where that cannot be told, nothing can; the other connections are served all the same.
    }
  }

  /** Asks the clients of all sessions to come back later, as soon as nothing is under way for them. */
  drain(): void {
    for (const session of this.#sessions.all()) session.drain();
  }

  /** Interrupts all sessions. */
  interrupt(cause: Interruption): void {
    for (const session of this.#sessions.all()) session.interrupt(cause);
  }

  /** Ends what serves the sessions, once the last of them has ended. To be called when no new ones come. */
  retire(): Promise<void> {
    return this.#retired ??= this.#retire();
  }

  async #retire(): Promise<void> {
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    this.abandon();
  }

  /** Has the auth services asked anew for everybody. */
  forgetAnswers(): void {
    for (const server of this.#servers) server.auth.forgetAll?.();
  }

  /** Ends what would have served: no session began. */
  abandon(): void {
    for (const server of this.#servers) server.auth.close();
    for (const tls of this.#tls) tls.close();
  }
}

/** Servers with the same settings of TLS have one in common. */
async function sharedTls(
  settings: TlsSettings,
  shared: Map<string, WatchedTls>,
  ports: WatchPorts,
): Promise<WatchedTls> {
  const key = JSON.stringify(settings);
  const known = shared.get(key) ?? await WatchedTls.open(settings, ports);
  shared.set(key, known);
  return known;
}
