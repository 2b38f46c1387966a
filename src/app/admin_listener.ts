/**
 * The admin listener of a running process: what it tells comes from the threads that serve.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Config } from "../config/settings.ts";
import { readAdminToken } from "../config/admin_token.ts";
import { createDialer } from "../io/dialer.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";
import type { SocketAddress } from "../ports/transport.ts";
import type { Family } from "../telemetry/metric_families.ts";
import type { MetricMemory } from "../telemetry/metric_memory.ts";
import { exposeMetrics, exposeMetricsAsJson, type MetricSources } from "../telemetry/metrics_text.ts";
import type { ProcessFacts } from "../telemetry/process_families.ts";
import type { AdminAccess } from "./admin_access.ts";
import { type AdminSource, answerAdmin, type Verdict, type WorkerSession } from "./admin_routes.ts";
import { type HttpServer, serveHttp } from "./admin_socket.ts";
import { type Hold, HoldBook } from "./hold_book.ts";
import { limitFamilies, type ProcessLimits } from "./limits.ts";
import { CalloutReadiness } from "./readiness.ts";
import { workerFamilies } from "./worker_families.ts";
import type { Workers } from "./workers.ts";

/** How often an address is tried that another process is to leave, milliseconds. */
const RETRY_MS = 1_000;

/** What the listener is opened with. */
export interface AdminPorts {
  readonly process: ProcessFacts;
  readonly log: Log;
  readonly clock: Clock;
  readonly workers: Workers;
  /** What the process counts besides its sessions. */
  readonly counts: MetricMemory;
  readonly limits: ProcessLimits;
}

/** A change of the configuration that the listener is ready for. */
export interface PreparedAdmin {
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** An open address, and who may ask there. */
interface Door {
  readonly server: HttpServer;
  access: AdminAccess;
}

/** What an operator asks and is told, where `admin_listen` says; nowhere where it says nothing. */
export class AdminListener implements AdminSource {
  readonly #ports: AdminPorts;
  readonly #readiness: CalloutReadiness;
  readonly #book: HoldBook;
  #config: Config;
  #door: Door | null = null;
  #draining = false;
  readonly #closing = new AbortController();

  private constructor(config: Config, ports: AdminPorts) {
    this.#config = config;
    this.#ports = ports;
    const { clock, workers } = ports;
    this.#readiness = new CalloutReadiness({ clock, dialer: createDialer(), blocks: () => workers.metrics });
    this.#book = new HoldBook(clock, (users) => {
      workers.hold({ users, waitMs: this.#config.main.hold_timeout });
    }, (user) => this.#released(user));
  }

  /**
   * Listens as `config` says. Where the process takes over from another one (`reuseport`), it waits until that has
   * left the address.
   * @throws {Error} when the address cannot be listened on, or the token cannot be read.
   */
  static async open(config: Config, ports: AdminPorts): Promise<AdminListener> {
    const listener = new AdminListener(config, ports);
    try {
      await (await listener.prepare(config)).commit();
    } catch (error) {
      if (!isInUse(error) || !takesOver(config)) throw error;
      void listener.#openLater(config, reason(error));
    }
    return listener;
  }

  /** Tries until the address is free, or another configuration is in force. */
  async #openLater(config: Config, inTheWay: string): Promise<void> {
    const { clock, log } = this.#ports;
    log.event("notice", "admin_waiting", `${inTheWay}; it is tried again`, null);
    const { signal } = this.#closing;
    for (;;) {
      await clock.sleep(RETRY_MS, signal);
      if (signal.aborted || this.#config !== config || this.#door !== null) return;
      try {
        return await (await this.prepare(config)).commit();
      } catch (error) {
        if (isInUse(error)) continue;
        return log.event("error", "admin_failed", reason(error), null);
      }
    }
  }

  /**
   * Makes ready for another configuration: the token is read, and an address opened that is not open. Users stay held.
   * @throws {Error} as `open` does; nothing has changed then.
   */
  async prepare(config: Config): Promise<PreparedAdmin> {
    const { admin_listen, admin_token_file } = config.main;
    const token = admin_token_file === null ? null : await readToken(admin_token_file);
    const access = { token, unix: admin_listen?.kind === "unix" };
    const former = this.#door;
    const stays = former !== null && textOf(config) === textOf(this.#config);
    const door = admin_listen === null ? null : stays ? former : await this.#listen(admin_listen, access);
    return {
      commit: async () => {
        this.#config = config;
        this.#door = door;
        if (stays) former.access = access;
        else {
          this.#tellAddress();
          await former?.server.close();
        }
      },
      abort: async () => {
        if (!stays) await door?.server.close();
      },
    };
  }

  /** From now on the process is not ready. */
  drain(): void {
    this.#draining = true;
  }

  /** Stops listening and releases all users. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#book.close();
    await this.#door?.server.close();
  }

  async #listen(address: SocketAddress, access: AdminAccess): Promise<Door> {
    try {
      const server = await serveHttp(address, (request) => answerAdmin(request, this, door.access));
      const door: Door = { server, access };
      return door;
    } catch (error) {
      throw new Error(`Cannot serve admin requests on ${formatSocketAddress(address)}: ${reason(error)}`, {
        cause: error,
      });
    }
  }

  #tellAddress(): void {
    if (this.#door === null) return;
    const address = formatSocketAddress(this.#door.server.address);
    const message = `admin requests are answered on ${address}`;
    this.#ports.log.event("notice", "admin_listening", message, null, { address });
  }

  async metrics(): Promise<string> {
    return await exposeMetrics(await this.#sources());
  }

  async metricsAsJson(): Promise<unknown> {
    return await exposeMetricsAsJson(await this.#sources());
  }

  async #sources(): Promise<MetricSources> {
    const { process, workers, counts, limits } = this.#ports;
    const pulses = await workers.ask({ about: "pulse" });
    const others: Family[] = [...workerFamilies(pulses, workers.crashes), ...limitFamilies(limits)];
    return { process, blocks: [...workers.metrics, counts], others };
  }

  async health(): Promise<Verdict> {
    // Workers that have ended answer no more, and nobody is to cut those that still relay.
    if (this.#draining) return { ok: true, text: "draining" };
    const answers = await this.#ports.workers.ask({ about: "pulse" });
    const silent = answers.filter(({ answer }) => answer === null).map(({ worker }) => worker);
    if (silent.length > 0) return { ok: false, text: `no answer from worker ${silent.join(", ")}` };
    return { ok: true, text: "ok" };
  }

  async readiness(): Promise<Verdict> {
    if (this.#draining) return { ok: false, text: "draining" };
    const health = await this.health();
    return health.ok ? await this.#readiness.verdict(this.#config) : health;
  }

  async sessions(user: string | null, most: number): ReturnType<AdminSource["sessions"]> {
    let total = 0;
    const silent: number[] = [];
    const sessions: WorkerSession[] = [];
    for (const { worker, answer } of await this.#ports.workers.ask({ about: "sessions", user, most })) {
      if (answer?.about !== "sessions") {
        silent.push(worker);
        continue;
      }
      total += answer.total;
      sessions.push(...answer.sessions.map((session) => ({ ...session, worker })));
    }
    sessions.sort((one, other) => one.connection - other.connection);
    return { total, silent, sessions: sessions.slice(0, most) };
  }

  async endSession(id: string): Promise<boolean> {
    const answers = await this.#ports.workers.ask({ about: "end", id });
    return answers.some(({ answer }) => answer?.about === "end" && answer.ended);
  }

  holds(): readonly Hold[] {
    return this.#book.holds;
  }

  hold(user: string, seconds: number): Hold | null {
    const hold = this.#book.hold(user, seconds);
    if (hold !== null) {
      this.#ports.log.event("notice", "user_held", "sign-ins of a user wait", null, { user, seconds });
    }
    return hold;
  }

  release(user: string): boolean {
    const held = this.#book.release(user);
    if (held) this.#released(user);
    return held;
  }

  /** By the operator, or because the time is over. */
  #released(user: string): void {
    this.#ports.log.event("notice", "user_released", "sign-ins of a user go on", null, { user });
  }
}

async function readToken(file: string): Promise<string> {
  const read = readAdminToken(await Deno.readTextFile(file));
  if ("fault" in read) throw new Error(`Cannot use ${file} as admin_token_file: ${read.fault}`);
  return read.token;
}

function textOf({ main: { admin_listen } }: Config): string | null {
  return admin_listen === null ? null : formatSocketAddress(admin_listen);
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Deno.errors.AddrInUse;
}

function takesOver({ servers }: Config): boolean {
  return servers.some(({ listen }) => listen.some(({ reuseport }) => reuseport));
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
