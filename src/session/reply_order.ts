/**
 * The order of the replies that a client of a relay hears: those of the mail server, and Postern's own among them.
 *
 * @module
 */
import { decodeLatin1, partOf } from "../bytes/latin1.ts";
import { lineFeedIn, replyCode } from "../grammar/reply_lines.ts";
import type { RelayedVerb } from "../grammar/relayed_command.ts";
import type { GuardRefusal } from "../ports/telemetry.ts";
import { HeldLine } from "./held_line.ts";
import type { Transaction } from "./relay_transaction.ts";
import type { SpokenReply } from "./replies.ts";

/** Lines of a reply to EHLO. */
const MAX_EHLO_LINES = 512;
/** As much of a line as is told. */
const MAX_TOLD_OCTETS = 512;

/** What a reply is awaited for; `content` is the end of a message's data. */
export type AwaitedVerb = RelayedVerb | "content";

/** A place in the order of replies. */
export interface Awaited {
  readonly verb: AwaitedVerb;
  readonly transaction: Transaction | null;
  /** Postern's own reply; null where the mail server's is awaited. */
  readonly own: SpokenReply | null;
  /** Whether the session ends with Postern's own reply. */
  readonly ends: boolean;
  /** Why Postern refuses the message of `transaction` with it; null where it refuses only the command. */
  readonly refusal: GuardRefusal | null;
}

/** The end of a reply: its code, and the text of its last line as a byte string. */
export interface HeardReply {
  readonly code: number;
  readonly text: string;
}

/** Why what a mail server says makes no sense. */
export type UpstreamFaultCode = "malformed" | "too_long" | "unasked";

/** Who is told what the replies mean. */
export interface ReplyListener {
  /** A reply came for what stood first; the lines of a reply to EHLO are to be said by the listener. */
  replied(to: Awaited, reply: HeardReply, ehloLines: readonly string[] | null): void;
  /** A reply came that nobody had asked for, and was passed on. */
  unasked(reply: HeardReply): void;
  /** Postern's own reply was said. */
  saidOwn(own: Awaited): void;
  upstreamFault(code: UpstreamFaultCode, got: string): void;
}

/** One for each verb: what stands for a command outside of a transaction is the same every time. */
const PLAIN: Partial<Record<AwaitedVerb, Awaited>> = {};

/** The replies of one relay. */
export class ReplyOrder {
  /** What is to be written to the client, in order. */
  readonly out: Uint8Array[] = [];
  /** Code of the mail server's last reply, or 0. */
  lastCode = 0;
  readonly #listener: ReplyListener;
  readonly #limit: number;
  readonly #awaited: Awaited[] = [];
  readonly #held: HeldLine;
  /** Code of the reply whose lines are coming, or 0 between replies. */
  #code = 0;
  #ehloLines: string[] | null = null;
  #ended = false;

  /** `limitOctets` bounds one line of a mail server's reply. */
  constructor(listener: ReplyListener, limitOctets: number) {
    this.#listener = listener;
    this.#limit = limitOctets;
    this.#held = new HeldLine(limitOctets);
  }

  /** Replies that are still awaited. */
  get length(): number {
    return this.#awaited.length;
  }

  /** What is awaited, in order, for who tells what became of it. */
  get awaited(): readonly Awaited[] {
    return this.#awaited;
  }

  /** The mail server will answer a command. */
  await(verb: AwaitedVerb, transaction: Transaction | null): void {
    this.#awaited.push(
      transaction === null
        ? PLAIN[verb] ??= { verb, transaction, own: null, ends: false, refusal: null }
        : { verb, transaction, own: null, ends: false, refusal: null },
    );
  }

  /** Postern answers a command itself, when it is its turn. */
  say(own: Awaited): void {
    this.#awaited.push(own);
    this.#sayOwn();
  }

  /** Postern's last word, whatever is still awaited; unsaid behind half a reply, where nobody would understand it. */
  sayLast(reply: SpokenReply): void {
    if (this.#code === 0 || this.#ehloLines !== null) this.out.push(reply.bytes);
    this.end();
  }

  /** Nothing further of the mail server's goes to the client. */
  end(): void {
    this.#ended = true;
  }

  #sayOwn(): void {
    if (this.#code !== 0) return;
    for (let first = this.#awaited[0]; first !== undefined && first.own !== null; first = this.#awaited[0]) {
      if (this.#ended) return;
      this.#awaited.shift();
      this.out.push(first.own.bytes);
      this.#listener.saidOwn(first);
    }
  }

  /** Reads what the mail server sent. */
  feed(chunk: Uint8Array): void {
    /** What goes on next begins here. */
    let from = 0;
    let next = 0;
    while (next < chunk.length && !this.#ended) {
      const lineFeed = lineFeedIn(chunk, next, chunk.length);
      const end = lineFeed < 0 ? chunk.length : lineFeed + 1;
      let line: Uint8Array = chunk;
      let start = next;
      let lineEnd = end;
      if (lineFeed < 0 || this.#held.length > 0 || end - next > this.#limit) {
        this.#pass(chunk, from, next);
        from = end;
        const fits = this.#held.add(chunk, next, end);
        if (fits && lineFeed < 0) break;
        line = this.#held.take();
        if (!fits) return this.#fault("too_long", decodeLatin1(line));
        start = 0;
        lineEnd = line.length;
      }
      const fault = this.#readLine(line, start, lineEnd - 1);
      if (fault !== null || this.#ehloLines !== null) {
        if (line === chunk) this.#pass(chunk, from, next);
        if (fault !== null) return this.#fault(fault, decodeLatin1(line, start, lineEnd - 1));
        from = end;
      } else if (line !== chunk) this.out.push(line);
      next = end;
      if (this.#code !== 0) continue;
      // What Postern says itself comes behind this reply.
      this.#pass(chunk, from, next);
      from = next;
      this.#finish(line, start, lineEnd);
    }
    if (!this.#ended) this.#pass(chunk, from, next);
  }

  #pass(chunk: Uint8Array, from: number, to: number): void {
    if (to > from) this.out.push(partOf(chunk, from, to));
  }

  /** Reads one line; `#code` is 0 behind the last one of a reply. */
  #readLine(line: Uint8Array, start: number, lineFeed: number): UpstreamFaultCode | null {
    const code = replyCode(line, start, lineFeed);
    const value = Math.abs(code);
    if (code === 0 || (this.#code !== 0 && value !== this.#code)) return "malformed";
    const first = this.#awaited[0];
    // A client would take it for the answer to what it says next, and in the end for that to a message.
    if (first === undefined && value < 400) return "unasked";
    if (this.#code === 0 && value === 250 && first?.verb === "EHLO") this.#ehloLines = [];
    if (this.#ehloLines !== null) {
      if (this.#ehloLines.length === MAX_EHLO_LINES) return "too_long";
      this.#ehloLines.push(decodeLatin1(line, Math.min(start + 4, lineFeed - 1), lineFeed - 1));
    }
    this.#code = code < 0 ? value : 0;
    this.lastCode = value;
    return null;
  }

  #finish(line: Uint8Array, start: number, end: number): void {
    const text = decodeLatin1(line, Math.min(start + 4, end - 2), Math.min(end - 2, start + MAX_TOLD_OCTETS));
    const reply = { code: this.lastCode, text };
    const ehloLines = this.#ehloLines;
    this.#ehloLines = null;
    const first = this.#awaited.shift();
    if (first === undefined) return this.#listener.unasked(reply);
    this.#listener.replied(first, reply, ehloLines);
    this.#sayOwn();
  }

  #fault(code: UpstreamFaultCode, got: string): void {
    this.#listener.upstreamFault(code, got.replace(/\r$/, "").slice(0, MAX_TOLD_OCTETS));
  }
}
