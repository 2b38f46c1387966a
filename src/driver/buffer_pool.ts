/** Size of a pooled buffer in octets: one read of a relay under load. */
export const POOLED_OCTETS = 65_536;

/**
 * Lends large buffers to connections while data flows, so that idle ones need not own any.
 */
export class BufferPool {
  readonly #kept: Uint8Array[] = [];
  readonly #maxKept: number;

  /** Keeps at most `maxKept` buffers that nobody borrows. */
  constructor(maxKept = 64) {
    this.#maxKept = maxKept;
  }

  /** A buffer of {@linkcode POOLED_OCTETS} octets with arbitrary content. */
  take(): Uint8Array {
    return this.#kept.pop() ?? new Uint8Array(POOLED_OCTETS);
  }

  /** Returns a buffer; the caller must not use it any more. */
  give(buffer: Uint8Array): void {
    if (this.#kept.length < this.#maxKept) this.#kept.push(buffer);
  }
}
