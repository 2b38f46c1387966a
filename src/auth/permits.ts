import type { EndSignal } from "../ports/end_signal.ts";

/** A number of permits and a bounded queue, first come first served, of those who wait for one. */
export class Permits {
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(limit: number, maxWaiting: number) {
    this.#free = limit;
    this.#maxWaiting = maxWaiting;
  }

  /** How many wait at the moment. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes a permit if one is free now. */
  tryTake(): boolean {
    if (this.#free === 0) return false;
    this.#free--;
    return true;
  }

  /** Waits for a permit. Settles with false when `signal` aborts first, or at once when the queue is full. */
  take(signal: EndSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake()) return Promise.resolve(true);
    if (this.#waiting.length >= this.#maxWaiting) return Promise.resolve(false);
    return new Promise((resolve) => {
      const grant = () => {
        signal.removeEventListener("abort", leave);
        resolve(true);
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(grant), 1);
        resolve(false);
      };
      signal.addEventListener("abort", leave);
      this.#waiting.push(grant);
    });
  }

  /** Gives a permit back: to the first who waits, else to the free ones. */
  release(): void {
    const grant = this.#waiting.shift();
    if (grant === undefined) this.#free++;
    else grant();
  }
}
