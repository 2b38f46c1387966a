const NOTHING = new Uint8Array(0);

/** The beginning of a line whose end has not come, within a bound. */
export class HeldLine {
  readonly #limit: number;
  #octets: Uint8Array = NOTHING;
  length = 0;

  /** Holds at most `limit` octets. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Appends a copy of the octets from `start` to before `end`; false when they are too many. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.length + end - start;
    if (length > this.#limit) return false;
    if (length > this.#octets.length) {
      const larger = new Uint8Array(Math.min(this.#limit, Math.max(128, 2 * length)));
      larger.set(this.#octets.subarray(0, this.length));
      this.#octets = larger;
    }
    this.#octets.set(bytes.subarray(start, end), this.length);
    this.length = length;
    return true;
  }

  /** Takes what is held, which is the caller's then. */
  take(): Uint8Array {
    const taken = this.#octets.subarray(0, this.length);
    this.#octets = NOTHING;
    this.length = 0;
    return taken;
  }
}
