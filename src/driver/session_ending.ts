import type { EndSignal } from "../ports/end_signal.ts";

/**
 * The end of one session, or of one wait in it. An `AbortController` would take a dozen objects for it, and every session
 * that asks anything has one.
 */
export class SessionEnding implements EndSignal {
  #aborted = false;
  readonly #listeners: (() => void)[] = [];

  get aborted(): boolean {
    return this.#aborted;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    if (!this.#aborted && !this.#listeners.includes(listener)) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }

  /** Tells everybody who listens, in the order in which they began to. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    for (let next = this.#listeners.shift(); next !== undefined; next = this.#listeners.shift()) next();
  }
}
