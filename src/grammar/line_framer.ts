/**
 * Cuts the octets of an SMTP client into lines.
 *
 * The reader contract of this room: `feed` gives octets (they are copied), `next` answers with a value, with null
 * for "need more", or with a fault. It never throws for input. What was fed is held until it is taken, so feed
 * again only after `next` has answered null: then no more is held than one limit and one read.
 *
 * @module
 */
import { OctetQueue } from "../bytes/octet_queue.ts";

const LF = 0x0a;
const CR = 0x0d;

/** Answer of {@linkcode LineFramer.next} when the line does not fit. */
export const LINE_TOO_LONG: unique symbol = Symbol("line too long");
export type LineTooLong = typeof LINE_TOO_LONG;

/** Lines end with CRLF or a bare LF, as in nginx (spec §2.2). */
export class LineFramer {
  readonly #octets = new OctetQueue();
  /** Where the first LF is, or -1 when there is none before `#searched`. */
  #lineEnd = -1;
  #searched = 0;

  /** Octets fed and not yet taken. */
  get pending(): number {
    return this.#octets.length;
  }

  /** The first octet that is pending, or -1. */
  get first(): number {
    return this.#octets.at(0);
  }

  /** Takes the first `count` of `bytes`. */
  feed(bytes: Uint8Array, count: number = bytes.length): void {
    this.#octets.push(bytes, count);
  }

  /**
   * The next line as a byte string, without its LF or CRLF; a CR elsewhere stays in it. `LINE_TOO_LONG` when
   * `limit` octets hold no LF; nothing is taken then.
   */
  next(limit: number): string | null | LineTooLong {
    const octets = this.#octets;
    if (this.#lineEnd < 0) {
      this.#lineEnd = octets.indexOf(LF, this.#searched);
      this.#searched = octets.length;
    }
    const end = this.#lineEnd;
    if (end < 0) return octets.length >= limit ? LINE_TOO_LONG : null;
    if (end >= limit) return LINE_TOO_LONG;
    const line = octets.text(0, end > 0 && octets.at(end - 1) === CR ? end - 1 : end);
    octets.drop(end + 1);
    this.#forgetSearch();
    return line;
  }

  /** Whether what is pending begins with `text` (upper case ASCII), in any case. */
  startsWith(text: string): boolean {
    return this.#octets.length >= text.length && this.#octets.text(0, text.length).toUpperCase() === text;
  }

  /** What is pending, as a byte string of at most `octets`. */
  peek(octets: number): string {
    return this.#octets.text(0, Math.min(octets, this.#octets.length));
  }

  /** Everything that was not taken, for the peer that comes after the commands. */
  takeRest(): Uint8Array {
    this.#forgetSearch();
    return this.#octets.takeAll();
  }

  #forgetSearch(): void {
    this.#lineEnd = -1;
    this.#searched = 0;
  }
}
