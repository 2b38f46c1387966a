interface Entry<T> {
  readonly value: T;
  readonly forgetAt: number;
}

/**
 * Values by key that are forgotten at a time of their own. There is a bound: when the table is full, the value that
 * was not used for the longest time is forgotten early.
 */
export class ForgetfulTable<T> {
  readonly #most: number;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value of `key`, which is used by that. */
  get(key: string, now: number): T | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    this.#entries.delete(key);
    if (entry.forgetAt <= now) return null;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Sets the value of `key`; tells whether another one had to be forgotten early. */
  set(key: string, value: T, forgetAt: number, now: number): boolean {
    this.#entries.delete(key);
    this.#entries.set(key, { value, forgetAt });
    return this.#makeRoom(now);
  }

  /** The values that are not forgotten. */
  *values(now: number): Generator<T> {
    for (const { value, forgetAt } of this.#entries.values()) if (forgetAt > now) yield value;
  }

  /** As nginx does in its zones: with every new entry two old ones may go. */
  #makeRoom(now: number): boolean {
    let looked = 0;
    for (const [key, { forgetAt }] of this.#entries) {
      if (looked++ === 2 || forgetAt > now) break;
      this.#entries.delete(key);
    }
    if (this.#entries.size <= this.#most) return false;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest!);
    return true;
  }
}
