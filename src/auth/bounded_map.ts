/** A map with a bound: what was used least lately makes room. */
export class BoundedMap<K, V> {
  readonly #most: number;
  /** In the order of their last use. */
  readonly #entries = new Map<K, V>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which counts as used now. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Keeps a value. Answers whether another one had to go. */
  set(key: K, value: V): boolean {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return false;
    for (const oldest of this.#entries.keys()) return this.#entries.delete(oldest);
    return false;
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
