/** Longest name that is kept, in octets of UTF-8; a longer one loses its end. A Unix socket's path has 108. */
const NAME_OCTETS = 126;
const RECORD_OCTETS = 2 + NAME_OCTETS;
/** The name that those share for which there is no room. */
const OTHER = "other";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A few numbers for each of some names, in memory that threads share: one thread writes, others read.
 *
 * The names are in the memory too. A record is complete before the count of names tells of it, so a reader never sees
 * half a name, and what was counted survives the thread that counted it.
 */
export class NamedNumbers {
  readonly #most: number;
  readonly #width: number;
  readonly #count: Int32Array;
  readonly #names: Uint8Array;
  readonly #numbers: Float64Array;
  readonly #known = new Map<string, Float64Array>();

  /** Octets that `most` names with `width` numbers each need, a multiple of eight. */
  static octets(most: number, width: number): number {
    return 8 + most * (RECORD_OCTETS + 8 * width);
  }

  /** Uses `memory` from `offset` on, a multiple of eight; it has zeros or what another one of these left there. */
  constructor(memory: SharedArrayBuffer, offset: number, most: number, width: number) {
    this.#most = most;
    this.#width = width;
    this.#count = new Int32Array(memory, offset, 1);
    this.#names = new Uint8Array(memory, offset + 8, most * RECORD_OCTETS);
    this.#numbers = new Float64Array(memory, offset + 8 + most * RECORD_OCTETS, most * width);
  }

  /** The numbers of `name`, to be changed in place. The last free record is for all further names together. */
  of(name: string): Float64Array {
    return this.#known.get(name) ?? this.#find(name);
  }

  /** The names there are, in the order of their first use, with their numbers. */
  *entries(): Generator<[string, Float64Array]> {
    const count = Atomics.load(this.#count, 0);
    for (let index = 0; index < count; index++) yield [this.#nameAt(index), this.#numbersAt(index)];
  }

  #find(name: string): Float64Array {
    for (const [there, numbers] of this.entries()) this.#known.set(there, numbers);
    const kept = decoder.decode(encode(name));
    const found = this.#known.get(kept);
    if (found !== undefined) return found;
    const index = Atomics.load(this.#count, 0);
    if (index >= this.#most - 1 && kept !== OTHER) return this.of(OTHER);
    const octets = encode(kept);
    this.#names.set([octets.length], index * RECORD_OCTETS);
    this.#names.set(octets, index * RECORD_OCTETS + 2);
    Atomics.store(this.#count, 0, index + 1);
    const numbers = this.#numbersAt(index);
    this.#known.set(kept, numbers);
    return numbers;
  }

  #nameAt(index: number): string {
    const start = index * RECORD_OCTETS;
    // The decoder takes no shared memory.
    return decoder.decode(this.#names.slice(start + 2, start + 2 + this.#names[start]!));
  }

  #numbersAt(index: number): Float64Array {
    return this.#numbers.subarray(index * this.#width, (index + 1) * this.#width);
  }
}

function encode(name: string): Uint8Array {
  const octets = new Uint8Array(NAME_OCTETS);
  return octets.subarray(0, encoder.encodeInto(name, octets).written);
}
