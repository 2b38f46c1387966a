import type { Clock, Deadline } from "../../../src/ports/clock.ts";
import type { EndSignal } from "../../../src/ports/end_signal.ts";
import { within } from "../../support/patience.ts";

/** A clock that the test turns forward. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #armed = new Map<object, { readonly at: number; readonly expired: () => void }>();
  readonly #awaited: { readonly at: number; readonly tell: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  deadline(expired: () => void): Deadline {
    const key = {};
    return {
      arm: (milliseconds) => {
        const at = this.#now + milliseconds;
        this.#armed.set(key, { at, expired });
        for (const awaited of this.#awaited) if (awaited.at === at) awaited.tell();
      },
      disarm: () => void this.#armed.delete(key),
    };
  }

  sleep(milliseconds: number, signal?: EndSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = this.deadline(resolve);
      deadline.arm(milliseconds);
      signal?.addEventListener("abort", () => {
        deadline.disarm();
        resolve();
      });
    });
  }

  /** Number of waits that are armed. */
  get armed(): number {
    return this.#armed.size;
  }

  /** Settles when a wait is armed that ends `milliseconds` from now. */
  async armedFor(milliseconds: number): Promise<void> {
    const at = this.#now + milliseconds;
    for (const armed of this.#armed.values()) if (armed.at === at) return;
    const told = new Promise<void>((tell) => this.#awaited.push({ at, tell }));
    await within(told, () => `no wait of ${milliseconds} ms is armed`);
  }

  /** Turns the clock forward and calls what is due. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const [key, { at, expired }] of [...this.#armed]) {
      if (at > this.#now) continue;
      this.#armed.delete(key);
      expired();
    }
  }
}
