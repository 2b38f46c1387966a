import type { Clock, Deadline } from "../ports/clock.ts";
import { CalloutError } from "./callout_error.ts";

/** What ends one exchange from outside, as one signal: its deadline, and the end of the session that asks. */
export class ExchangeBounds {
  readonly #controller = new AbortController();
  readonly #session: AbortSignal;
  readonly #deadline: Deadline;
  #error: CalloutError | null = null;

  constructor(clock: Clock, timeoutMs: number, session: AbortSignal) {
    this.#session = session;
    this.#deadline = clock.deadline(() =>
      this.#stop(new CalloutError("timeout", `expected an answer within ${timeoutMs} ms, got none`))
    );
    if (session.aborted) this.#sessionEnded();
    else {
      session.addEventListener("abort", this.#sessionEnded);
      this.#deadline.arm(timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why the signal was aborted, or null. */
  get error(): CalloutError | null {
    return this.#error;
  }

  /** Takes the bounds off. */
  lift(): void {
    this.#deadline.disarm();
    this.#session.removeEventListener("abort", this.#sessionEnded);
  }

  #sessionEnded = () =>
    this.#stop(new CalloutError("aborted", "expected an answer, got the end of the session first"));

  #stop(error: CalloutError): void {
    this.lift();
    this.#error = error;
    this.#controller.abort(error);
  }
}
