import type { Clock, Deadline } from "../ports/clock.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { type ScriptName, SCRIPTS } from "./redis_scripts.ts";

/** Between two tries to connect, milliseconds. */
const RETRY_MS = 1_000;

/** Where Redis or Valkey is, and who we are there. */
export interface RedisTarget {
  readonly address: SocketAddress;
  readonly tls: boolean;
  /** PEM of the authorities to trust instead of the system's, or null. */
  readonly trustedCertificates: string | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: number;
}

export interface RedisLinkOptions {
  readonly target: RedisTarget;
  /** For connecting, and for each call; milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called when there is a connection again, before anybody else may use it. */
  readonly ready: (call: ScriptCall) => Promise<void>;
  /** Called when an outage begins, with the reason, and with null when it has ended. */
  readonly changed: (reason: string | null) => void;
}

/** Runs a script; an error of any kind ends the connection, and another one is opened. */
export type ScriptCall = (
  script: ScriptName,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

/** The part of the client of `@redis/client` that is used. */
interface Client {
  connect(): Promise<unknown>;
  sendCommand(args: readonly string[]): Promise<unknown>;
  destroy(): void;
  on(event: "error", listener: (error: unknown) => void): unknown;
}

interface Connected {
  readonly client: Client;
  /** Name of each script's text at the server. */
  readonly names: Readonly<Record<ScriptName, string>>;
}

/**
 * One connection to Redis or Valkey, opened again and again. While there is none, calls fail at once: an outage costs
 * nobody a wait but those who were waiting when it began.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #closing = new AbortController();
  readonly #keeping: Promise<void>;
  /** The one that is being opened, or is open. */
  #client: Client | null = null;
  #connected: Connected | null = null;
  #lost: ((reason: string) => void) | null = null;
  #away = false;
  /** Settles when the first try to connect is over; null from then on. */
  #first: PromiseWithResolvers<void> | null = Promise.withResolvers();

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#keeping = this.#keep();
  }

  /** Whether there is a connection. */
  get up(): boolean {
    return this.#connected !== null;
  }

  /** Runs a script. @throws {Error} when there is no answer in time, whatever the reason. */
  async call(...[script, keys, args]: Parameters<ScriptCall>): Promise<unknown> {
    // A store that was not asked yet is not away: who comes right after the start counts like all others.
    if (this.#first !== null) await this.#within(this.#first.promise);
    if (this.#connected === null) throw new Error("there is no connection");
    return await this.#run(this.#connected, script, keys, args);
  }

  /** Sets a key for a time, and does not say whether it worked. */
  async remember(key: string, milliseconds: number): Promise<void> {
    const connected = this.#connected;
    if (connected === null) return;
    await this.#guarded(connected.client, ["SET", key, "1", "PX", String(milliseconds)]).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#lost?.("closed");
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const reason = await this.#serve();
      if (signal.aborted) return;
      if (!this.#away) this.#options.changed(reason);
      this.#away = true;
      await this.#options.clock.sleep(RETRY_MS, signal);
    }
  }

  /** Connects and serves; settles with the reason when that is over. */
  async #serve(): Promise<string> {
    const { promise: lost, resolve } = Promise.withResolvers<string>();
    this.#lost = resolve;
    let client: Client | null = null;
    try {
      client = this.#client = await this.#newClient();
      client.on("error", (error) => resolve(reasonOf(error)));
      const opening = this.#open(client).then((connected) => this.#begin(connected));
      const reason = await Promise.race([opening.then(() => null, reasonOf), lost]);
      return reason ?? await lost;
    } catch (error) {
      return reasonOf(error);
    } finally {
      this.#connected = null;
      this.#client = null;
      this.#lost = null;
      if (client !== null) destroy(client);
      this.#tried();
    }
  }

  #tried(): void {
    this.#first?.resolve();
    this.#first = null;
  }

  async #open(client: Client): Promise<Connected> {
    await this.#within(client.connect());
    const names = {} as Record<ScriptName, string>;
    for (const [name, text] of Object.entries(SCRIPTS) as [ScriptName, string][]) {
      names[name] = String(await this.#within(client.sendCommand(["SCRIPT", "LOAD", text])));
    }
    return { client, names };
  }

  async #begin(connected: Connected): Promise<void> {
    await this.#options.ready((script, keys, args) => this.#run(connected, script, keys, args));
    // Meanwhile it may have ended.
    if (this.#lost === null) return;
    this.#connected = connected;
    this.#tried();
    if (this.#away) this.#options.changed(null);
    this.#away = false;
  }

  #run(connected: Connected, ...[script, keys, args]: Parameters<ScriptCall>): Promise<unknown> {
    const { client, names } = connected;
    return this.#guarded(client, [
      "EVALSHA",
      names[script],
      String(keys.length),
      ...keys,
      ...args.map(String),
    ]);
  }

  async #guarded(client: Client, command: readonly string[]): Promise<unknown> {
    try {
      return await this.#within(client.sendCommand(command));
    } catch (error) {
      // Whatever it is, a fresh connection may find another server, or the scripts where a restart forgot them.
      if (this.#client === client) {
        this.#connected = null;
        this.#lost?.(reasonOf(error));
      }
      throw error;
    }
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const deadline: Deadline = clock.deadline(() => reject(new Error(`no answer within ${timeoutMs} ms`)));
      deadline.arm(timeoutMs);
      answer.then(resolve, reject).finally(() => deadline.disarm());
    });
  }

  async #newClient(): Promise<Client> {
    const { target: { address, tls, trustedCertificates, user, password, database }, timeoutMs } =
      this.#options;
    // Loaded only where it is used.
    const { createClient } = await import("@redis/client");
    const place = address.kind === "unix"
      ? { path: address.path, tls: false as const }
      : { host: address.host, port: address.port };
    const secure = tls && address.kind === "tcp"
      ? {
        tls: true as const,
        servername: address.host,
        ...(trustedCertificates === null ? {} : { ca: trustedCertificates }),
      }
      : {};
    return createClient({
      socket: { ...place, ...secure, connectTimeout: timeoutMs, reconnectStrategy: false } as never,
      ...(user === null ? {} : { username: user }),
      ...(password === null ? {} : { password }),
      database,
      RESP: 2,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: "disabled",
    }) as unknown as Client;
  }
}

function destroy(client: Client): void {
  try {
    client.destroy();
  } catch {
    // It was never open, or is closed already.
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
