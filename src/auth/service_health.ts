import type { Clock } from "../ports/clock.ts";

/** How often a service may fail, as nginx's upstreams have it. */
export interface HealthRules {
  /** Failures within `failTimeoutMs` after which it is down; 0 for never. */
  readonly maxFails: number;
  /** For so long it is left alone then, milliseconds. */
  readonly failTimeoutMs: number;
}

/** How a question went: whether the service was reached at all tells more than whether its answer was good. */
export type Failure = "unreachable" | "bad_answer";

/**
 * What the questions that were asked say about one service.
 *
 * It is up; or down, until its time is over and one question may try it (the probe), of which the others do not wait.
 */
export class ServiceHealth {
  readonly #rules: HealthRules;
  readonly #clock: Clock;
  #fails = 0;
  #firstFailAt = 0;
  #downUntil: number | null = null;
  #unreachable = false;
  #probing = false;

  constructor(rules: HealthRules, clock: Clock) {
    this.#rules = rules;
    this.#clock = clock;
  }

  get down(): boolean {
    return this.#downUntil !== null;
  }

  /** Whether it is down because nobody could be reached there. */
  get unreachable(): boolean {
    return this.down && this.#unreachable;
  }

  get fails(): number {
    return this.#fails;
  }

  /** Whether a question may be asked now, and whether it is the probe, whose end must be told. */
  admit(): "up" | "probe" | "down" {
    if (this.#downUntil === null) return "up";
    if (this.#probing || this.#clock.now() < this.#downUntil) return "down";
    this.#probing = true;
    return "probe";
  }

  /** The probe ended before it told anything. */
  probeLost(): void {
    this.#probing = false;
  }

  /** It has answered. Says whether it was down. */
  answered(): boolean {
    const wasDown = this.down;
    this.#fails = 0;
    this.#downUntil = null;
    this.#probing = false;
    return wasDown;
  }

  /** It has failed. Says whether it is down only now. */
  failed(failure: Failure): boolean {
    const now = this.#clock.now();
    this.#probing = false;
    if (this.#fails === 0 || (!this.down && now - this.#firstFailAt > this.#rules.failTimeoutMs)) {
      this.#fails = 0;
      this.#firstFailAt = now;
    }
    this.#fails++;
    if (this.#rules.maxFails === 0 || this.#fails < this.#rules.maxFails) return false;
    const wasDown = this.down;
    this.#unreachable = failure === "unreachable";
    this.#downUntil = now + this.#rules.failTimeoutMs;
    return !wasDown;
  }
}
