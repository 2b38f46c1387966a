/**
 * SMTP replies (RFC 5321 §4.2): read from a mail server, and written for a client.
 *
 * @module
 */
import { encodeLatin1 } from "../bytes/latin1.ts";
import { OctetQueue } from "../bytes/octet_queue.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const HYPHEN = 0x2d;

/** `250-` or `250 `. */
const CODE_OCTETS = 4;
const CRLF_OCTETS = 2;

/** No EHLO reply comes near; a server that goes on and on is cut here. */
const MAX_LINES = 512;
const MAX_FAULT_OCTETS = 200;

/** A complete reply. */
export interface Reply {
  /** 200 to 599. */
  readonly code: number;
  /** What follows `250-` or `250 ` in every line, as byte strings; one line at least. */
  readonly lines: readonly string[];
  /** All of it as it came, every CRLF included: a byte string. */
  readonly text: string;
}

/** What came is no reply. */
export interface ReplyFault {
  readonly kind: "fault";
  /** `too_long`: over the limit of octets or 512 lines. */
  readonly code: "too_long" | "malformed";
  /** The line at fault, or the beginning of what is too long: a byte string of at most 200 octets. */
  readonly text: string;
}

/**
 * Reads replies. Feed again only after `next` has answered null: then no more is held than one limit and one read.
 * A fault stays: there is no telling where the next reply would begin.
 */
export class ReplyReader {
  readonly #limit: number;
  readonly #octets: OctetQueue;
  #searched = 0;
  #lineStart = 0;
  #code = 0;
  /** Complete lines of the reply that is being read. */
  #lines = 0;
  #fault: ReplyFault | null = null;

  /**
   * `limitOctets` bounds one reply, all lines and their ends together (`proxy_buffer`). `buffer` is used where it is
   * long enough, and nothing that is given out lies in it.
   */
  constructor(limitOctets: number, buffer?: Uint8Array) {
    this.#limit = limitOctets;
    this.#octets = new OctetQueue(buffer);
  }

  /** Octets fed and not yet taken. */
  get pending(): number {
    return this.#octets.length;
  }

  /** Takes the first `count` of `bytes`. */
  feed(bytes: Uint8Array, count: number = bytes.length): void {
    this.#octets.push(bytes, count);
  }

  /**
   * The next reply, null for "need more", or what is wrong. Every line ends with CRLF, begins with the same three
   * digits, and has SP, `-` or nothing after them (RFC 5321 §4.2.1).
   */
  next(): Reply | null | ReplyFault {
    if (this.#fault !== null) return this.#fault;
    for (;;) {
      const lineFeed = this.#octets.indexOf(LF, this.#searched);
      const end = lineFeed < 0 ? this.#octets.length : lineFeed + 1;
      this.#searched = end;
      if (end > this.#limit) return this.#failTooLong();
      if (lineFeed < 0) return end === this.#limit ? this.#failTooLong() : null;
      const code = this.#readLine(lineFeed);
      if (code === 0) return this.#failMalformed(lineFeed);
      this.#lines++;
      this.#code = Math.abs(code);
      this.#lineStart = end;
      if (code > 0) return this.#takeReply(end);
      if (this.#lines === MAX_LINES) return this.#failTooLong();
    }
  }

  /** Code of the line that begins at `#lineStart`, negative when it is not the last; 0 when it is malformed. */
  #readLine(lineFeed: number): number {
    const octets = this.#octets;
    const start = this.#lineStart;
    const end = lineFeed - 1;
    // A CR of its own would be a line end to some clients: 250-<CR>... can hide another reply.
    if (end < start + 3 || octets.indexOf(CR, start) !== end) return 0;
    const code = this.#readCode(start);
    if (code < 200 || (start > 0 && code !== this.#code)) return 0;
    if (end === start + 3) return code;
    const separator = octets.at(start + 3);
    if (separator !== SPACE && separator !== HYPHEN) return 0;
    return separator === SPACE ? code : -code;
  }

  /** Value of the three digits at `start`; 0 when they are not three digits or the first is not 2 to 5. */
  #readCode(start: number): number {
    const first = this.#octets.at(start) - 0x30;
    const second = this.#octets.at(start + 1) - 0x30;
    const third = this.#octets.at(start + 2) - 0x30;
    if (first < 2 || first > 5 || second < 0 || second > 9 || third < 0 || third > 9) return 0;
    return first * 100 + second * 10 + third;
  }

  #takeReply(end: number): Reply {
    const octets = this.#octets;
    // All at once: a call for each line costs more than the octets.
    const text = octets.text(0, end);
    const lines = this.#lines === 1
      ? [text.slice(CODE_OCTETS, -CRLF_OCTETS)]
      : text.slice(0, -CRLF_OCTETS).split("\r\n").map((line) => line.slice(CODE_OCTETS));
    const reply = { code: this.#code, lines, text };
    octets.drop(end);
    this.#forget();
    return reply;
  }

  #failTooLong(): ReplyFault {
    return this.#fail("too_long", 0, this.#limit);
  }

  #failMalformed(lineFeed: number): ReplyFault {
    const crlf = lineFeed > this.#lineStart && this.#octets.at(lineFeed - 1) === CR;
    return this.#fail("malformed", this.#lineStart, crlf ? lineFeed - 1 : lineFeed);
  }

  #fail(code: ReplyFault["code"], start: number, end: number): ReplyFault {
    const text = this.#octets.text(start, Math.min(end, start + MAX_FAULT_OCTETS));
    this.#fault = { kind: "fault", code, text };
    return this.#fault;
  }

  /** Everything that was not taken, for the peer that comes after the replies. */
  takeRest(): Uint8Array {
    this.#forget();
    return this.#octets.takeAll();
  }

  /** Throws everything away (RFC 3207 §4.2), a fault too. */
  clear(): void {
    this.#forget();
    this.#octets.clear();
  }

  #forget(): void {
    this.#searched = 0;
    this.#lineStart = 0;
    this.#code = 0;
    this.#lines = 0;
    this.#fault = null;
  }
}

/**
 * Writes a reply. Every LF in `text`, a byte string, begins a new line of the reply, with the enhanced status code
 * (RFC 2034 §4) again; a CR is left out, so no text can add a reply of its own. The SP stays when the text is
 * empty: `334 ` is the empty challenge (RFC 4954 §4).
 */
export function formatReply(code: number, enhanced: string | null, text: string): Uint8Array {
  const status = enhanced === null ? "" : `${enhanced} `;
  if (!text.includes("\n") && !text.includes("\r")) return encodeLatin1(`${code} ${status}${text}\r\n`);
  const lines = text.replaceAll("\r", "").split("\n");
  const last = lines.length - 1;
  return encodeLatin1(lines.map((line, i) => `${code}${i < last ? "-" : " "}${status}${line}\r\n`).join(""));
}
