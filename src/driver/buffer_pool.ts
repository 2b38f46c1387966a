/** Size of a large buffer in octets: one read of a relay under load. */
export const LARGE_OCTETS = 65_536;
/** Size of a small buffer in octets: what a connection reads into while little is said. */
export const SMALL_OCTETS = 2_048;

/**
 * Lends read buffers. Large ones go to connections while data flows, so that idle ones need not own any; small ones
 * are used again for the next connection, which is cheaper than to have them made and collected.
 */
export class BufferPool {
  readonly #large: Uint8Array[] = [];
  readonly #small: Uint8Array[] = [];
  readonly #maxKept: number;

  /** Keeps at most `maxKept` buffers of each size that nobody borrows. */
  constructor(maxKept = 64) {
    this.#maxKept = maxKept;
  }

  /** A buffer of {@linkcode LARGE_OCTETS} octets with arbitrary content. */
  takeLarge(): Uint8Array {
    return this.#large.pop() ?? new Uint8Array(LARGE_OCTETS);
  }

  /** Returns a large buffer; the caller must not use it any more, and no read into it may be under way. */
  giveLarge(buffer: Uint8Array): void {
    if (this.#large.length < this.#maxKept) this.#large.push(buffer);
  }

  /** A buffer of {@linkcode SMALL_OCTETS} octets with arbitrary content. */
  takeSmall(): Uint8Array {
    return this.#small.pop() ?? new Uint8Array(SMALL_OCTETS);
  }

  /** Returns a small buffer; the caller must not use it any more, and no read into it may be under way. */
  giveSmall(buffer: Uint8Array): void {
    if (this.#small.length < this.#maxKept) this.#small.push(buffer);
  }
}
