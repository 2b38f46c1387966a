import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { EndSignal } from "../ports/end_signal.ts";

const LEFT: AuthAnswer = {
  kind: "failed",
  code: "aborted",
  reason: "expected an answer, got the end of the session first",
};

/** One question under way, and all sessions that wait for its answer. It is given up when the last of them leaves. */
export class SharedQuestion {
  readonly #given = new AbortController();
  readonly #answer: Promise<AuthAnswer>;
  readonly #over: () => void;
  #waiting = 0;

  /** `over` is called once there is nothing to join any more. */
  constructor(ask: (signal: AbortSignal) => Promise<AuthAnswer>, over: () => void) {
    this.#over = over;
    this.#answer = ask(this.#given.signal).finally(over);
  }

  /** Waits for the answer, but not longer than the session lasts. */
  join(session: EndSignal): Promise<AuthAnswer> {
    this.#waiting++;
    return new Promise((resolve, reject) => {
      const leave = () => {
        resolve(LEFT);
        if (--this.#waiting > 0) return;
        this.#over();
        this.#given.abort();
      };
      session.addEventListener("abort", leave);
      const settled = () => session.removeEventListener("abort", leave);
      this.#answer.finally(settled).then(resolve, reject);
      if (session.aborted) leave();
    });
  }
}
