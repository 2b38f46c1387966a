/**
 * A queue of octets: filled at one end, looked at and taken from at the other.
 *
 * Taken octets are not moved away at once but when room is needed, and only when at least as many were taken as
 * would move; so every octet is copied a bounded number of times. An empty queue has no buffer of its own, as an idle
 * connection should cost little. The first buffer is no longer than what the engine keeps beside the array itself: a
 * longer one takes an allocation of its own, which costs ten times as much.
 *
 * @module
 */
import { decodeLatin1, partOf } from "./latin1.ts";

/** Size of the first buffer: a line of most dialogues. V8 keeps arrays of so many octets on its heap. */
const FIRST_OCTETS = 64;
/** Size of the second buffer. */
const SECOND_OCTETS = 512;
/** So many octets are copied by hand, as that takes less time than to make a view of them. */
const SHORT_OCTETS = 128;
const NOTHING = new Uint8Array(0);

/** Octets that were pushed and not yet taken. Who pushes keeps the bound: it grows as needed. */
export class OctetQueue {
  /** What an empty queue has. */
  readonly #given: Uint8Array;
  #buffer: Uint8Array;
  #start = 0;
  #end = 0;

  /** `buffer` is used until more room is needed; without one it makes its own. */
  constructor(buffer: Uint8Array = NOTHING) {
    this.#given = this.#buffer = buffer;
  }

  /** Octets in the queue. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Appends a copy of the first `count` of `bytes`. */
  push(bytes: Uint8Array, count: number = bytes.length): void {
    if (this.#end + count > this.#buffer.length) this.#makeRoom(count);
    const buffer = this.#buffer;
    const at = this.#end;
    if (count > SHORT_OCTETS) buffer.set(partOf(bytes, 0, count), at);
    else for (let i = 0; i < count; i++) buffer[at + i] = bytes[i]!;
    this.#end = at + count;
  }

  #makeRoom(octets: number): void {
    const length = this.length;
    const needed = length + octets;
    if (needed <= this.#buffer.length && this.#start >= length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
    } else {
      const least = needed <= FIRST_OCTETS ? FIRST_OCTETS : SECOND_OCTETS;
      const larger = new Uint8Array(Math.max(least, needed, length * 2));
      if (length > 0) larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = larger;
    }
    this.#start = 0;
    this.#end = length;
  }

  /** The octet at `index`, or -1 behind the end. */
  at(index: number): number {
    return index < this.length ? this.#buffer[this.#start + index] ?? -1 : -1;
  }

  /** Index of the first `octet` at or behind `from`, or -1. */
  indexOf(octet: number, from: number): number {
    // By hand: TypedArray.indexOf() would search the unused rest of the buffer too, or need a view for each call.
    const buffer = this.#buffer;
    const end = this.#end;
    for (let i = this.#start + from; i < end; i++) {
      if (buffer[i] === octet) return i - this.#start;
    }
    return -1;
  }

  /** The octets from `start` to before `end` as a byte string. */
  text(start: number, end: number): string {
    return decodeLatin1(this.#buffer, this.#start + start, this.#start + end);
  }

  /** A copy of the octets from `start` to before `end`. */
  slice(start: number, end: number): Uint8Array {
    return this.#buffer.slice(this.#start + start, this.#start + end);
  }

  /** Takes away the first `octets`, at most all. */
  drop(octets: number): void {
    this.#start += octets;
    if (this.#start >= this.#end) this.clear();
  }

  /** Takes everything. */
  takeAll(): Uint8Array {
    if (this.length === 0) return NOTHING;
    const all = this.slice(0, this.length);
    this.clear();
    return all;
  }

  /** Forgets everything. */
  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.#buffer = this.#given;
  }
}
