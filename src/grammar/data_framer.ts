/**
 * The content behind DATA, from its first octet to its true end (RFC 5321 §4.1.1.4), on its way to a mail server.
 *
 * Only CRLF.CRLF ends it. What some mail servers take for an end besides (SMTP smuggling: CVE-2023-51764, -51765,
 * -51766) never gets past, whatever the policy: a dot that stands alone between two line ends of any kind, NULs
 * left out of account, is held back until it is known to be the end or no end. All else goes on as it comes, and
 * without being copied.
 *
 * @module
 */
import { cleanEnd, LEAST_CLEAN_OCTETS } from "../bytes/clean_text.ts";
import { encodeLatin1 } from "../bytes/latin1.ts";

/** What becomes of content that is not as RFC 5321 §2.3.8 and §4.5.3.1.6 want it. */
export interface DataPolicy {
  /** A CR or an LF of its own; `normalize` makes CRLF of an LF, and a space of a CR. */
  readonly bareNewline: "reject" | "normalize" | "pass";
  readonly nul: "reject" | "pass";
  /** Lines over 1000 octets. */
  readonly longLine: "reject" | "pass";
  /** Most octets of content, dots that were doubled for transparency counted once. */
  readonly maxOctets: number;
}

/** Why content must not go on. */
export type DataFault = "bare_newline" | "smuggling" | "nul" | "line_too_long" | "message_too_large";

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
/** RFC 5321 §4.5.3.1.6, with its CRLF. */
const LINE_OCTETS = 1_000;
/** After something unusual so many octets are looked at one by one before the fast search goes on. */
const STEPS = 64;

/** Where the content is. */
const LINE_START = 0; // behind CRLF, or at the very beginning
const TEXT = 1;
const LOOSE_START = 2; // behind another line end, or behind NULs at the beginning of a line
const CR_HELD = 3;
const DOT_HELD = 4; // a dot behind LINE_START
const DOT_CR_HELD = 5;
const LOOSE_DOT_HELD = 6; // a dot behind LOOSE_START
const LOOSE_DOT_CR_HELD = 7;

/** The octets that each state holds back. */
const HELD: readonly (Uint8Array | null)[] = [
  null,
  null,
  null,
  ...["\r", ".", ".\r", ".", ".\r"].map(encodeLatin1),
];
const CRLF = encodeLatin1("\r\n");
const SPACE = encodeLatin1(" ");
const DOTS = encodeLatin1("..");
const DOTS_CRLF = encodeLatin1("..\r\n");
const DOTS_SPACE = encodeLatin1(".. ");

/** Reads one content; {@linkcode begin} starts with the next. Neither waits nor throws for input. */
export class DataFramer {
  readonly #policy: DataPolicy;
  /** Whether anything has to be done about lines that are long. */
  readonly #measured: boolean;
  #state = LINE_START;
  /** Octets of the line so far, counted only where `#measured`. */
  #column = 0;
  #doubled = 0;
  #ended = false;
  #octets = 0;
  #fault: DataFault | null = null;

  constructor(policy: DataPolicy) {
    this.#policy = policy;
    this.#measured = policy.longLine === "reject";
  }

  /** Octets of content that were read, dots as they stand on the wire, without the line that ends it. */
  get octets(): number {
    return this.#octets;
  }

  /** Whether the true end has come, which may be after a fault. */
  get ended(): boolean {
    return this.#ended;
  }

  get fault(): DataFault | null {
    return this.#fault;
  }

  /** Makes ready for the next content. */
  begin(): void {
    this.#state = LINE_START;
    this.#column = 0;
    this.#doubled = 0;
    this.#ended = false;
    this.#octets = 0;
    this.#fault = null;
  }

  /**
   * Reads `chunk` from `at` on, to its end, to the end of the content, or to what is wrong. What may go on is appended
   * to `out`, as parts of `chunk` where it can be; after a fault nothing of it must.
   * @returns the index of the first octet that was not read.
   */
  feed(chunk: Uint8Array, at: number, out: Uint8Array[]): number {
    const { bareNewline, nul } = this.#policy;
    const length = chunk.length;
    /** What goes on next begins here. */
    let from = at;
    /** Where the octets that are held back begin; -1 when they came with an earlier chunk. */
    let heldFrom = -1;
    let state = this.#state;
    let i = at;
    let slowUntil = at;
    while (i < length) {
      const octet = chunk[i]!;
      if (
        state <= TEXT && i >= slowUntil && length - i >= LEAST_CLEAN_OCTETS && octet !== LF &&
        !(state === LINE_START && octet === DOT)
      ) {
        const clean = cleanEnd(chunk, i);
        slowUntil = clean + STEPS;
        if (clean > i) {
          if (this.#measured && !this.#measure(chunk, i, clean)) {
            return this.#stop("line_too_long", state, i - at, i);
          }
          i = clean;
          const last = chunk[i - 1];
          state = last === LF ? LINE_START : last === CR ? CR_HELD : TEXT;
          if (state === CR_HELD) heldFrom = i - 1;
          continue;
        }
      }
      if (this.#measured && ++this.#column > LINE_OCTETS) {
        return this.#stop("line_too_long", state, i - at, i);
      }
      switch (state) {
        case TEXT:
          if (octet > CR) break;
          if (octet === CR) {
            state = CR_HELD;
            heldFrom = i;
          } else if (octet === LF || octet === NUL) {
            if (octet === NUL ? nul === "reject" : bareNewline === "reject") {
              return this.#stop(octet === NUL ? "nul" : "bare_newline", state, i - at, i);
            }
            if (octet === NUL) break;
            if (bareNewline === "normalize") {
              if (i > from) out.push(chunk.subarray(from, i));
              out.push(CRLF);
              from = i + 1;
            }
            this.#column = 0;
            state = LOOSE_START;
          }
          break;
        case LINE_START:
        case LOOSE_START:
          if (octet === DOT) {
            state = state === LINE_START ? DOT_HELD : LOOSE_DOT_HELD;
            heldFrom = i;
          } else if (octet === NUL && nul === "pass") {
            // Some servers drop NULs and would then see the beginning of a line.
            state = LOOSE_START;
          } else if (octet > CR) {
            state = TEXT;
          } else {
            state = TEXT;
            this.#column--;
            continue;
          }
          break;
        case CR_HELD:
          if (octet === LF) {
            if (heldFrom < 0) out.push(HELD[CR_HELD]!);
            state = LINE_START;
            this.#column = 0;
            break;
          }
          if (bareNewline === "reject") return this.#stop("bare_newline", state, i - at, i);
          if (bareNewline === "normalize") {
            if (heldFrom > from) out.push(chunk.subarray(from, heldFrom));
            out.push(SPACE);
            from = i;
            state = TEXT;
          } else {
            if (heldFrom < 0) out.push(HELD[CR_HELD]!);
            state = LOOSE_START;
          }
          this.#column--;
          continue;
        case DOT_HELD:
        case LOOSE_DOT_HELD:
          if (octet === CR) {
            state = state === DOT_HELD ? DOT_CR_HELD : LOOSE_DOT_CR_HELD;
            break;
          }
          if (octet !== LF && octet !== NUL) {
            if (heldFrom < 0) out.push(HELD[DOT_HELD]!);
            if (octet === DOT) {
              this.#doubled++;
              this.#column--;
            }
            state = TEXT;
            break;
          }
          if (octet === NUL && nul === "reject") return this.#stop("nul", state, i - at, i);
          if (bareNewline !== "normalize") return this.#stop("smuggling", state, i - at, i);
          if (heldFrom > from) out.push(chunk.subarray(from, heldFrom));
          if (octet === LF) {
            out.push(DOTS_CRLF);
            from = i + 1;
            state = LOOSE_START;
            this.#column = 0;
          } else {
            out.push(DOTS);
            from = i;
            state = TEXT;
          }
          break;
        case DOT_CR_HELD:
        case LOOSE_DOT_CR_HELD:
          if (octet === LF && state === DOT_CR_HELD) {
            return this.#end(chunk, at, from, heldFrom, i + 1, out);
          }
          if (bareNewline !== "normalize") return this.#stop("smuggling", state, i - at, i);
          if (heldFrom > from) out.push(chunk.subarray(from, heldFrom));
          if (octet === LF) {
            out.push(DOTS_CRLF);
            from = i + 1;
            state = LINE_START;
            this.#column = 0;
            break;
          }
          out.push(DOTS_SPACE);
          from = i;
          state = TEXT;
          this.#column--;
          continue;
      }
      i++;
    }
    this.#state = state;
    this.#octets += length - at;
    // All but what is held back; of that, what came with an earlier chunk is still held.
    const to = state < CR_HELD ? length : heldFrom < 0 ? from : heldFrom;
    if (to - from === length) out.push(chunk);
    else if (to > from) out.push(chunk.subarray(from, to));
    // What may become the line of the end is no content yet.
    const undecided = state > CR_HELD ? HELD[state]!.length : 0;
    if (this.#octets - undecided - this.#doubled > this.#policy.maxOctets) this.#fault = "message_too_large";
    return length;
  }

  /**
   * After a fault: looks for the end of the content and gives nothing on, however it goes on until then.
   * @returns the index of the first octet that was not read.
   */
  skip(chunk: Uint8Array, at: number): number {
    const { length } = chunk;
    let state = this.#state;
    let slowUntil = at;
    let i = at;
    for (; i < length && !this.#ended; i++) {
      if (state <= LOOSE_START && i >= slowUntil && chunk[i] !== DOT && length - i >= LEAST_CLEAN_OCTETS) {
        const clean = cleanEnd(chunk, i);
        slowUntil = clean + STEPS;
        if (clean > i) {
          i = clean;
          state = chunk[i - 1] === LF ? LINE_START : chunk[i - 1] === CR ? CR_HELD : TEXT;
        }
      }
      const octet = chunk[i]!;
      if (octet === CR) state = state === DOT_HELD ? DOT_CR_HELD : CR_HELD;
      else if (octet === DOT && state === LINE_START) state = DOT_HELD;
      else if (octet !== LF) state = TEXT;
      else if (state === DOT_CR_HELD) this.#ended = true;
      else state = state === CR_HELD ? LINE_START : TEXT;
    }
    this.#state = state;
    return i;
  }

  #end(
    chunk: Uint8Array,
    at: number,
    from: number,
    heldFrom: number,
    next: number,
    out: Uint8Array[],
  ): number {
    // The line of the end has three octets; those that came with earlier chunks are counted already.
    this.#octets += next - at - 3;
    if (this.#octets - this.#doubled > this.#policy.maxOctets) {
      this.#fault = "message_too_large";
      this.#ended = true;
      return next;
    }
    if (heldFrom < 0) out.push(HELD[this.#state]!);
    out.push(chunk.subarray(from, next));
    this.#ended = true;
    return next;
  }

  #stop(fault: DataFault, state: number, read: number, next: number): number {
    this.#fault = fault;
    this.#state = state;
    this.#octets += read;
    return next;
  }

  /** Whether the lines of the clean octets from `start` to before `end` are short enough; goes on with the column. */
  #measure(chunk: Uint8Array, start: number, end: number): boolean {
    let lineStart = start - this.#column;
    // From each line to the last one that begins within its reach: a step for each 1000 octets or so.
    while (lineStart + LINE_OCTETS < end) {
      if (lineStart + LINE_OCTETS <= start) return false;
      const lineFeed = chunk.lastIndexOf(LF, lineStart + LINE_OCTETS - 1);
      if (lineFeed < start || lineFeed < lineStart) return false;
      lineStart = lineFeed + 1;
    }
    const lineFeed = end === 0 ? -1 : chunk.lastIndexOf(LF, end - 1);
    if (lineFeed >= start && lineFeed >= lineStart) lineStart = lineFeed + 1;
    this.#column = end - lineStart;
    return true;
  }
}
