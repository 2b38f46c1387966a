import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Clock } from "../ports/clock.ts";
import type { SocketAddress } from "../ports/transport.ts";

/** Addresses that are remembered; the one that failed first is forgotten for another. */
const MAX_ADDRESSES = 4_096;

/** Which mail servers failed lately, for all connections of a worker (nginx's `fail_timeout`). */
export class UpstreamHealth {
  readonly #clock: Clock;
  /** When each may be tried again. */
  readonly #restsUntil = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a server is to be left alone as long as there is another one. */
  rests(address: SocketAddress): boolean {
    if (this.#restsUntil.size === 0) return false;
    const until = this.#restsUntil.get(formatSocketAddress(address));
    return until !== undefined && until > this.#clock.now();
  }

  /** Leaves a server alone for `restMs` milliseconds. Answers whether that is news. */
  failed(address: SocketAddress, restMs: number): boolean {
    if (restMs === 0) return false;
    const key = formatSocketAddress(address);
    const known = this.#restsUntil.delete(key);
    if (this.#restsUntil.size >= MAX_ADDRESSES) {
      for (const oldest of this.#restsUntil.keys()) {
        this.#restsUntil.delete(oldest);
        break;
      }
    }
    this.#restsUntil.set(key, this.#clock.now() + restMs);
    return !known;
  }

  /** Takes a server for good again. Answers whether that is news. */
  succeeded(address: SocketAddress): boolean {
    return this.#restsUntil.size > 0 && this.#restsUntil.delete(formatSocketAddress(address));
  }
}
