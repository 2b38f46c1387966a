import type { Clock, Deadline } from "../ports/clock.ts";
import type { Transport } from "../ports/transport.ts";
import { CalloutError } from "./callout_error.ts";
import type { ExchangeBounds } from "./exchange_bounds.ts";
import { type HttpHead, HttpResponseReader } from "./http_response.ts";

/** A usual response fits in one read of this size; larger ones take more reads. */
const readBufferOctets = 2048;
/** How long an unused connection is kept, and how long the rest of a body may take to come. */
const idleLifetimeMs = 60_000;
const bodyLifetimeMs = 5_000;

/** Who owns the connections that no question uses. */
export interface IdleConnections {
  /** Takes a connection that can carry another question; false when there is no room for it. */
  keep(connection: HttpConnection): boolean;
  /** Forgets a connection that is closed now. */
  drop(connection: HttpConnection): void;
}

/**
 * One connection to the auth service, for one question at a time.
 *
 * A read is under way while the connection is idle too: so its end is seen when it happens, and the read is there
 * already when the next answer comes.
 */
export class HttpConnection {
  readonly #transport: Transport;
  readonly #owner: IdleConnections;
  readonly #lifetime: Deadline;
  readonly #reader = new HttpResponseReader();
  readonly #buffer = new Uint8Array(readBufferOctets);
  #reading: Promise<number | null> | null = null;
  #phase: "asking" | "draining" | "idle" | "closed" = "asking";

  constructor(transport: Transport, owner: IdleConnections, clock: Clock) {
    this.#transport = transport;
    this.#owner = owner;
    this.#lifetime = clock.deadline(() => this.close());
  }

  /** Whether any octet of the last question's response has come. */
  get answered(): boolean {
    return !this.#reader.untouched;
  }

  /**
   * Sends a request and waits for the head of its response. Afterwards the connection belongs to its owner, or is
   * closed.
   * @throws {CalloutError} when there is no usable response, or the bounds are reached.
   */
  async exchange(request: Uint8Array, bounds: ExchangeBounds): Promise<HttpHead> {
    this.#phase = "asking";
    this.#lifetime.disarm();
    this.#reader.reset();
    bounds.reached = this.#abort;
    try {
      if (bounds.error !== null) this.close();
      await this.#transport.write(request);
      while (this.#reader.state === "head") this.#take(await this.#receive());
    } catch (error) {
      this.close();
      const message = error instanceof Error ? error.message : String(error);
      throw new CalloutError("closed", `expected a response, got: ${message}`, { cause: error });
    } finally {
      bounds.reached = null;
    }
    return this.#takeHead();
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#lifetime.disarm();
    this.#transport.close();
    this.#owner.drop(this);
  }

  #abort = () => this.close();

  #takeHead(): HttpHead {
    const { head, error, state } = this.#reader;
    if (head === null) {
      this.close();
      throw error ?? new CalloutError("invalid_response", "expected a response head, got none");
    }
    // The answer does not wait for its body.
    if (state === "body") void this.#drain();
    else this.#rest();
    return head;
  }

  #receive(): Promise<number | null> {
    return this.#reading ?? this.#transport.read(this.#buffer);
  }

  #take(count: number | null): void {
    this.#reading = null;
    if (count === null) this.#reader.end();
    else this.#reader.feed(this.#buffer, count);
  }

  async #drain(): Promise<void> {
    this.#phase = "draining";
    this.#lifetime.arm(bodyLifetimeMs);
    try {
      while (this.#reader.state === "body") this.#take(await this.#receive());
      this.#rest();
    } catch {
      // The answer is known: only the connection is lost.
      this.close();
    }
  }

  #rest(): void {
    if (this.#phase === "closed") return;
    if (!this.#reader.reusable || !this.#owner.keep(this)) {
      this.close();
      return;
    }
    this.#phase = "idle";
    this.#lifetime.arm(idleLifetimeMs);
    this.#reading = this.#transport.read(this.#buffer);
    this.#reading.then(this.#endIfIdle, this.#endIfIdle);
  }

  /** An idle connection has nothing to say: it is at its end, or out of step. */
  #endIfIdle = () => {
    if (this.#phase === "idle") this.close();
  };
}
