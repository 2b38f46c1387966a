/** A number of handshakes that may be under way at a time: each costs memory, and processor time that others wait for. */
export class HandshakeSlots {
  readonly #limit: number;
  #taken = 0;

  /** `limit` 0 is none. */
  constructor(limit: number) {
    this.#limit = limit === 0 ? Number.POSITIVE_INFINITY : limit;
  }

  /** Takes a slot if one is free; who takes one gives it back. */
  tryTake(): boolean {
    if (this.#taken >= this.#limit) return false;
    this.#taken++;
    return true;
  }

  /** Gives a slot back. */
  give(): void {
    this.#taken--;
  }
}
