/** What the signals mean that end the process. */

/**
 * One Ctrl-C comes twice when a task runner (`deno task`, `npx`) passes on what the terminal sends to both, and one
 * SIGTERM when a supervisor sends it to all: the same signal within this time is no second one. Milliseconds.
 */
const ECHO_MS = 500;

/** A signal that ends the process. */
export type StopSignal = "SIGINT" | "SIGTERM" | "SIGQUIT";

/** Stop with a grace for relays, wait for them, cut what is left, or nothing new. */
export type StopOrder = "stop" | "quit" | "cut" | "nothing";

/** Tells a second signal from the echo of the first. */
export class StopSignals {
  readonly #now: () => number;
  #first: { readonly signal: StopSignal; readonly at: number } | null = null;

  /** `now` answers milliseconds that never go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What is to be done about a signal. SIGQUIT never cuts, SIGINT and SIGTERM do when they are not the first. */
  hear(signal: StopSignal): StopOrder {
    const at = this.#now();
    if (this.#first === null) {
      this.#first = { signal, at };
      return signal === "SIGQUIT" ? "quit" : "stop";
    }
    const echo = signal === this.#first.signal && at - this.#first.at < ECHO_MS;
    return echo || signal === "SIGQUIT" ? "nothing" : "cut";
  }
}
