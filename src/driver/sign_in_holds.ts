import type { Clock } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import { SessionEnding } from "./session_ending.ts";

/** How a sign-in that may have been held back goes on: it never was, it is no longer, it waited for too long. */
export type HoldEnd = "free" | "released" | "late";

/** Users whose sign-ins wait, as while their mailboxes move. Names are byte strings; case of ASCII does not count. */
export class SignInHolds {
  readonly #held = new Map<string, PromiseWithResolvers<void>>();
  #waitMs = 0;
  /** Called when users are released, before their sign-ins go on: what was known of them is no longer true. */
  released: () => void = () => {};

  /** Holds exactly these users from now on, each sign-in for `waitMs` at most; those of all others go on. */
  set(users: readonly string[], waitMs: number): void {
    this.#waitMs = waitMs;
    const wanted = new Set(users.map(foldCase));
    const free = [...this.#held].filter(([user]) => !wanted.has(user));
    if (free.length > 0) this.released();
    for (const [user, { resolve }] of free) {
      this.#held.delete(user);
      resolve();
    }
    for (const user of wanted) {
      if (!this.#held.has(user)) this.#held.set(user, Promise.withResolvers());
    }
  }

  /** Whether this user is held. */
  has(user: string): boolean {
    return this.#held.size > 0 && this.#held.has(foldCase(user));
  }

  /** Waits until the user is released; `signal` ends the wait as if it were too long. */
  async wait(user: string, clock: Clock, signal: EndSignal): Promise<HoldEnd> {
    const held = this.#held.get(foldCase(user));
    if (held === undefined) return "free";
    const waiting = new SessionEnding();
    const end = () => waiting.abort();
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    const late = clock.sleep(this.#waitMs, waiting).then((): HoldEnd => "late");
    const how = await Promise.race([held.promise.then((): HoldEnd => "released"), late]);
    signal.removeEventListener("abort", end);
    end();
    return how;
  }
}

/** One form of a name for all ways to write its letters. */
export function foldCase(user: string): string {
  return user.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
