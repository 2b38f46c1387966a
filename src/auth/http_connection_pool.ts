import type { Clock } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { Transport } from "../ports/transport.ts";
import { ExchangeBounds } from "./exchange_bounds.ts";
import { HttpConnection, type IdleConnections } from "./http_connection.ts";
import type { HttpHead } from "./http_response.ts";
import { Permits } from "./permits.ts";

/** Questions under way at a time; the others wait inside their own timeout. */
const maxInFlight = 512;
/** Bounds that are kept for the next exchanges: making them costs more than setting them. */
const maxSpareBounds = 16;

export interface HttpConnectionPoolOptions {
  /** Opens a connection to the service. Rejects with a `CalloutError`, and when the signal aborts. */
  readonly connect: (signal: AbortSignal) => Promise<Transport>;
  readonly clock: Clock;
  /** Idle connections kept (`auth_http_keepalive`); with 0 every question has its own connection. */
  readonly maxIdle: number;
}

/** Connections to one auth service, kept between questions. */
export class HttpConnectionPool {
  readonly #options: HttpConnectionPoolOptions;
  readonly #permits = new Permits(maxInFlight, Infinity);
  /** The one used last is at the end and is used next, so that those not needed grow old. */
  readonly #idle: HttpConnection[] = [];
  readonly #spareBounds: ExchangeBounds[] = [];
  readonly #owner: IdleConnections = {
    keep: (connection) => this.#keep(connection),
    drop: (connection) => this.#drop(connection),
  };
  #closed = false;

  constructor(options: HttpConnectionPoolOptions) {
    this.#options = options;
  }

  /** Number of connections that wait for a question. */
  get idle(): number {
    return this.#idle.length;
  }

  /**
   * Sends `request` and waits for the response's head, `timeoutMs` milliseconds for all of it.
   * @throws {CalloutError}
   */
  async exchange(request: Uint8Array, timeoutMs: number, session: EndSignal): Promise<HttpHead> {
    const bounds = this.#spareBounds.pop() ?? new ExchangeBounds(this.#options.clock);
    bounds.set(timeoutMs, session);
    let permitted = false;
    try {
      if (bounds.error !== null) throw bounds.error;
      permitted = this.#permits.tryTake() || await this.#permits.take(bounds.signal);
      if (!permitted) throw bounds.error;
      const kept = this.#idle.pop();
      if (kept !== undefined) {
        try {
          return await kept.exchange(request, bounds);
        } catch (error) {
          // The service may have closed it just when we sent (RFC 9112 §9.3.1): ask once more, on a new one.
          if (kept.answered || bounds.error !== null) throw error;
        }
      }
      const { connect, clock } = this.#options;
      const fresh = new HttpConnection(await connect(bounds.signal), this.#owner, clock);
      return await fresh.exchange(request, bounds);
    } catch (error) {
      throw bounds.error ?? error;
    } finally {
      if (permitted) this.#permits.release();
      bounds.lift();
      if (this.#spareBounds.length < maxSpareBounds) this.#spareBounds.push(bounds);
    }
  }

  /** Closes the idle connections, and those in use when their answers are there. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  #keep(connection: HttpConnection): boolean {
    if (this.#closed || this.#idle.length >= this.#options.maxIdle) return false;
    this.#idle.push(connection);
    return true;
  }

  #drop(connection: HttpConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}
