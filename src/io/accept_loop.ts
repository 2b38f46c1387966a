import { toConnectionError } from "./connection_errors.ts";
import type { Listener, SocketAddress, Transport } from "../ports/transport.ts";

/** What accepts connections, before errors are dealt with. */
export interface AcceptSource {
  accept(): Promise<Transport>;
  close(): void;
}

/** First and longest wait after a failed accept, in milliseconds; it doubles between them. */
const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 1000;
/** How often a failure that lasts is told. */
const TELL_AGAIN_MS = 10_000;
/** How long a queue is emptied that fills again and again. */
const DRAIN_MS = 1000;

/**
 * A {@linkcode Listener} that outlives the errors of accept(2). A connection that was reset before it was accepted is
 * passed over at once: a wait would let whoever resets connections keep all others waiting. Before it tries again
 * after another error, such as no file descriptor left, it waits, since that lasts and would take all CPU time.
 */
export class AcceptLoop implements Listener {
  readonly address: SocketAddress;
  readonly #source: AcceptSource;
  readonly #failed: (reason: string) => void;
  #toldAt = -TELL_AGAIN_MS;
  #closed = false;
  #accepted = 0;
  /** Ends the waits between two tries. */
  readonly #wakers = new Set<() => void>();

  /** `failed` is told why connections cannot be accepted, every ten seconds at most. */
  constructor(source: AcceptSource, address: SocketAddress, failed: (reason: string) => void = () => {}) {
    this.#source = source;
    this.address = address;
    this.#failed = failed;
  }

  async accept(): Promise<Transport | null> {
    let waitMs = FIRST_WAIT_MS;
    while (!this.#closed) {
      try {
        const accepted = await this.#source.accept();
        this.#accepted++;
        // It is a connection, even if the listener was closed meanwhile.
        return accepted;
      } catch (error) {
        if (this.#closed || toConnectionError(error, "accept").code === "reset") continue;
        this.#tell(error);
        await this.#wait(waitMs);
        waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
      }
    }
    return null;
  }

  /**
   * Closes as soon as whoever accepts has accepted all that waits: the kernel resets what is left in the queue. Where
   * the kernel brings more and more, as others listen on the address too, that ends after a second.
   */
  async drain(): Promise<void> {
    const until = performance.now() + DRAIN_MS;
    let before = -1;
    while (!this.#closed && before !== this.#accepted && performance.now() < until) {
      before = this.#accepted;
      await turn();
      await turn();
    }
    this.close();
  }

  #tell(error: unknown): void {
    const now = performance.now();
    if (now - this.#toldAt < TELL_AGAIN_MS) return;
    this.#toldAt = now;
    this.#failed(error instanceof Error ? error.message : String(error));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.close();
    for (const wake of this.#wakers) wake();
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      this.#wakers.add(wake);
    });
  }
}

/** The runtime asks the kernel for connections in between. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
