/**
 * What Redis and Valkey say (RESP2), as far as our commands bring it about: a value, or a list of values. Whatever
 * else comes is a fault, and so is what is longer than any answer of ours.
 *
 * @module
 */

/** Longest reply in octets. Ours have some hundred. */
export const MAX_REPLY_OCTETS = 16_384;
/** Longest list in items. */
const MAX_ITEMS = 1_024;

/** One value; null for none. */
export type RedisValue = string | number | null;
/** A whole reply. */
export type RedisReply = RedisValue | readonly RedisValue[] | RedisError;

/** The command was not carried out. */
export class RedisError {
  /** Its code, and text of any kind. */
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

const CR = 0x0d;
const LF = 0x0a;
const TOO_LONG = "a reply that is too long";
const LIST = Symbol("a list begins");
const COUNT = /^(?:0|[1-9]\d{0,5})$/;
/** As long as every such number can be told from its neighbours. */
const INTEGER = /^(?:0|-?[1-9]\d{0,14})$/;
/** Texts up to this length are put together by hand, as that takes less time than to ask the decoder. */
const SHORT_OCTETS = 64;

/** Reads replies out of a stream. Every octet is looked at once, and no more than one reply's are kept. */
export class ReplyReader {
  readonly #decoder = new TextDecoder();
  readonly #buffer = new Uint8Array(MAX_REPLY_OCTETS);
  #start = 0;
  #end = 0;
  /** No line ends before. */
  #searched = 0;
  /** Octets of the reply under way that were taken. */
  #taken = 0;
  /** Octets of the bulk string under way, or -1. */
  #bulk = -1;
  #items: RedisValue[] | null = null;
  /** Items of the list under way. */
  #size = 0;
  #fault: string | null = null;

  /** What is wrong with what came; nothing is read from then on. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Where the next octets are to be put. Not empty as long as `next()` has given all replies, and there is no fault. */
  room(): Uint8Array {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#searched = Math.max(0, this.#searched - this.#start);
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  /** So many octets were put into {@linkcode room}. */
  filled(count: number): void {
    this.#end += count;
  }

  /** The next reply; undefined where more octets are needed, or there is a fault. */
  next(): RedisReply | undefined {
    while (this.#fault === null) {
      const element = this.#element();
      if (element === undefined) return this.#more();
      if (element !== LIST) {
        if (this.#items === null) return this.#whole(element);
        if (element instanceof RedisError) return this.#refuse("an error in a list");
        this.#items.push(element);
      }
      if (this.#items !== null && this.#items.length === this.#size) return this.#whole(this.#items);
    }
    return undefined;
  }

  #whole(reply: RedisReply): RedisReply | undefined {
    if (this.#taken > MAX_REPLY_OCTETS) return this.#refuse(TOO_LONG);
    this.#items = null;
    this.#taken = 0;
    return reply;
  }

  #more(): undefined {
    const octets = this.#taken + this.#end - this.#start;
    return octets >= MAX_REPLY_OCTETS ? this.#refuse(TOO_LONG) : undefined;
  }

  #refuse(fault: string): undefined {
    this.#fault ??= fault;
    return undefined;
  }

  #element(): RedisValue | RedisError | typeof LIST | undefined {
    if (this.#bulk >= 0) return this.#bulkString();
    const end = this.#lineEnd();
    if (end < 0) return undefined;
    const kind = String.fromCharCode(this.#buffer[this.#start]!);
    const text = this.#text(this.#start + 1, end);
    this.#take(end + 2);
    switch (kind) {
      case "+":
        return text;
      case "-":
        return new RedisError(text);
      case ":":
        return INTEGER.test(text) ? Number(text) : this.#refuse("an integer that is none");
      case "$":
        if (text === "-1") return null;
        if (!COUNT.test(text) || Number(text) > MAX_REPLY_OCTETS) return this.#refuse("a length of a string");
        this.#bulk = Number(text);
        return this.#bulkString();
      case "*":
        return this.#list(text);
      default:
        return this.#refuse("what is no reply");
    }
  }

  #list(text: string): typeof LIST | null | undefined {
    if (this.#items !== null) return this.#refuse("a list in a list");
    if (text === "-1") return null;
    if (!COUNT.test(text) || Number(text) > MAX_ITEMS) return this.#refuse("a length of a list");
    this.#items = [];
    this.#size = Number(text);
    return LIST;
  }

  #bulkString(): string | undefined {
    const end = this.#start + this.#bulk;
    if (this.#end < end + 2) return undefined;
    if (!this.#endsLine(end)) return this.#refuse("a string that does not end");
    const text = this.#text(this.#start, end);
    this.#bulk = -1;
    this.#take(end + 2);
    return text;
  }

  /** Where the CR of the line is, or -1. */
  #lineEnd(): number {
    const buffer = this.#buffer;
    let at = Math.max(this.#searched, this.#start);
    while (at < this.#end && buffer[at] !== CR && buffer[at] !== LF) at++;
    this.#searched = at;
    if (at + (buffer[at] === CR ? 1 : 0) >= this.#end) return -1;
    if (this.#endsLine(at)) return at;
    this.#refuse("a line that does not end");
    return -1;
  }

  #endsLine(at: number): boolean {
    return this.#buffer[at] === CR && this.#buffer[at + 1] === LF;
  }

  #take(to: number): void {
    this.#taken += to - this.#start;
    this.#start = to;
  }

  #text(start: number, end: number): string {
    let text = "";
    if (end - start > SHORT_OCTETS) return this.#decoder.decode(this.#buffer.subarray(start, end));
    for (let at = start; at < end; at++) {
      const octet = this.#buffer[at]!;
      if (octet >= 0x80) return this.#decoder.decode(this.#buffer.subarray(start, end));
      text += String.fromCharCode(octet);
    }
    return text;
  }
}
