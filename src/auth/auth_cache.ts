import type { AuthAnswer, AuthBackend, AuthQuestion } from "../ports/auth_backend.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { Clock } from "../ports/clock.ts";
import type { Metrics } from "../ports/telemetry.ts";
import { BoundedMap } from "./bounded_map.ts";
import { QuestionDigests } from "./question_digest.ts";
import { SharedQuestion } from "./shared_question.ts";

export interface AuthCacheOptions {
  /** Who is asked for what is not known. */
  readonly backend: AuthBackend;
  /** Answers of either kind, accepted or refused, that are kept. */
  readonly most: number;
  /** How long an answer of each kind is kept, milliseconds; 0 for not at all. */
  readonly acceptedMs: number;
  readonly refusedMs: number;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "count">;
}

interface Kept {
  readonly at: number;
  /** Without its password. */
  readonly answer: AuthAnswer;
  /** That password, or null. */
  readonly sealed: Uint8Array | null;
}

/** Longest `Auth-Error-SASL` that is kept. */
const MOST_CHALLENGE = 1_024;

/**
 * Remembers what a service decided (`auth_http_cache`), and asks once for questions that come at the same time.
 *
 * Of a question only a keyed hash is held, and of an answer no password in clear ({@linkcode QuestionDigests}).
 * Refused answers have a place of their own, so that guesses do not push out what users need. Never kept are
 * failures, temporary refusals, and answers to CRAM-MD5, whose questions are all different.
 */
export class AuthCache implements AuthBackend {
  readonly #options: AuthCacheOptions;
  readonly #digests = new QuestionDigests();
  readonly #accepted: BoundedMap<string, Kept>;
  readonly #refused: BoundedMap<string, Kept>;
  readonly #asking = new Map<string, SharedQuestion>();
  /** Answers to questions of an earlier one are not kept. */
  #epoch = 0;

  constructor(options: AuthCacheOptions) {
    this.#options = options;
    this.#accepted = new BoundedMap(options.most);
    this.#refused = new BoundedMap(options.most);
  }

  ask(question: AuthQuestion, signal: EndSignal): Promise<AuthAnswer> {
    if (question.salt !== null) {
      this.#count("bypass");
      return this.#options.backend.ask(question, signal);
    }
    const name = this.#digests.name(question);
    const known = this.#find(name, question);
    if (known !== null) {
      this.#count(`hit_${known.kind}`);
      return Promise.resolve(known);
    }
    const underWay = this.#asking.get(name);
    this.#count(underWay === undefined ? "miss" : "shared");
    return (underWay ?? this.#begin(name, question)).join(signal);
  }

  /** Drops what was answered to a question. */
  forget(question: AuthQuestion): void {
    if (question.salt === null && this.#accepted.delete(this.#digests.name(question))) this.#count("dropped");
  }

  /** Drops all answers that let somebody in, those too that are still to come. */
  forgetAll(): void {
    this.#epoch++;
    this.#asking.clear();
    this.#accepted.clear();
  }

  close(): void {
    this.forgetAll();
    this.#refused.clear();
    this.#options.backend.close();
  }

  #begin(name: string, question: AuthQuestion): SharedQuestion {
    const epoch = this.#epoch;
    const asked = new SharedQuestion(async (signal) => {
      const answer = await this.#options.backend.ask(question, signal);
      if (epoch === this.#epoch) this.#keep(name, question, answer);
      return answer;
    }, () => {
      if (this.#asking.get(name) === asked) this.#asking.delete(name);
    });
    this.#asking.set(name, asked);
    return asked;
  }

  #find(name: string, question: AuthQuestion): AuthAnswer | null {
    const { acceptedMs, refusedMs } = this.#options;
    return this.#fresh(this.#accepted, acceptedMs, name, question) ??
      this.#fresh(this.#refused, refusedMs, name, question);
  }

  #fresh(
    map: BoundedMap<string, Kept>,
    lifetimeMs: number,
    name: string,
    question: AuthQuestion,
  ): AuthAnswer | null {
    const kept = map.get(name);
    if (kept === undefined) return null;
    const age = this.#options.clock.now() - kept.at;
    // A clock that was set back makes nothing younger.
    if (age < 0 || age >= lifetimeMs) {
      map.delete(name);
      return null;
    }
    if (kept.sealed === null || kept.answer.kind !== "accepted") return kept.answer;
    return { ...kept.answer, secret: this.#digests.open(question, kept.sealed) };
  }

  #keep(name: string, question: AuthQuestion, answer: AuthAnswer): void {
    if (!this.#isWorthKeeping(answer)) return;
    const secret = answer.kind === "accepted" ? answer.secret : null;
    const kept: Kept = {
      at: this.#options.clock.now(),
      answer: secret === null ? answer : { ...answer, secret: null } as AuthAnswer,
      sealed: secret === null ? null : this.#digests.seal(question, secret),
    };
    const [map, other] = answer.kind === "accepted"
      ? [this.#accepted, this.#refused]
      : [this.#refused, this.#accepted];
    other.delete(name);
    if (map.set(name, kept)) this.#count("evicted");
  }

  #isWorthKeeping(answer: AuthAnswer): boolean {
    switch (answer.kind) {
      case "accepted":
        return this.#options.acceptedMs > 0;
      case "refused":
        return this.#options.refusedMs > 0 && (answer.code === null || answer.code.startsWith("5")) &&
          (answer.saslChallenge?.length ?? 0) <= MOST_CHALLENGE;
      case "failed":
        return false;
    }
  }

  #count(event: string): void {
    this.#options.metrics.count("auth_cache", event);
  }
}
