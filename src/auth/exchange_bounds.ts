import type { Clock, Deadline } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import { CalloutError } from "./callout_error.ts";

/** What ends one exchange after the other from outside: its deadline, and the end of the session that asks. */
export class ExchangeBounds {
  readonly #deadline: Deadline;
  #timeoutMs = 0;
  #session: EndSignal | null = null;
  /** Made when somebody asks for it: most exchanges go over a connection that is there. */
  #controller: AbortController | null = null;
  #error: CalloutError | null = null;
  /** Called when the bounds are reached, for the one who waits in them. */
  reached: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#deadline = clock.deadline(this.#expired);
  }

  /** Puts them around an exchange, until {@linkcode lift}. */
  set(timeoutMs: number, session: EndSignal): void {
    this.#timeoutMs = timeoutMs;
    this.#controller = null;
    this.#error = null;
    this.#session = session;
    if (session.aborted) this.#sessionEnded();
    else {
      session.addEventListener("abort", this.#sessionEnded);
      this.#deadline.arm(timeoutMs);
    }
  }

  /** Both as one signal. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#error !== null) this.#controller.abort(this.#error);
    }
    return this.#controller.signal;
  }

  /** Which of them was reached, or null. */
  get error(): CalloutError | null {
    return this.#error;
  }

  /** Takes the bounds off. */
  lift(): void {
    this.#deadline.disarm();
    this.#session?.removeEventListener("abort", this.#sessionEnded);
    this.#session = null;
  }

  #expired = () =>
    this.#stop(new CalloutError("timeout", `expected an answer within ${this.#timeoutMs} ms, got none`));

  #sessionEnded = () =>
    this.#stop(new CalloutError("aborted", "expected an answer, got the end of the session first"));

  #stop(error: CalloutError): void {
    this.lift();
    this.#error = error;
    this.#controller?.abort(error);
    this.reached?.();
  }
}
