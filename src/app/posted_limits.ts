import type { Clock, Deadline } from "../ports/clock.ts";
import type {
  Admission,
  AdmissionAnswer,
  BegunBan,
  LimitStore,
  LoginAttempt,
  LoginVerdict,
} from "../ports/limit_store.ts";
import type { FromLimitedWorker, LimitQuestion, LimitQuestions, ToLimitedWorker } from "./limit_messages.ts";

/** How long the first thread may take: it answers at once, or after the deadline of its own store. */
const ANSWER_MS = 5_000;

type Answer = LimitQuestions[LimitQuestion]["answer"];

interface Pending {
  readonly question: LimitQuestion;
  readonly asked: LimitQuestions[LimitQuestion]["asked"];
  readonly askedAt: number;
  readonly resolve: (answer: Answer) => void;
}

/** The limits as a worker sees them: the first thread has the counts of all workers. */
export class PostedLimitStore implements LimitStore {
  readonly #post: (message: FromLimitedWorker) => void;
  readonly #clock: Clock;
  readonly #open: () => boolean;
  readonly #pending = new Map<number, Pending>();
  readonly #late = new Map<number, Admission>();
  /** Places, by key, of clients who were let in without an answer: the first thread knows nothing of them. */
  readonly #uncounted = new Map<string, number>();
  readonly #deadline: Deadline;
  #tickets = 0;

  /** `open` tells whether clients are let in when there is no answer. */
  constructor(post: (message: FromLimitedWorker) => void, clock: Clock, open: () => boolean) {
    this.#post = post;
    this.#clock = clock;
    this.#open = open;
    this.#deadline = clock.deadline(() => this.#expire());
  }

  admit(asked: Admission): Promise<AdmissionAnswer> {
    return this.#ask("admit", asked);
  }

  release(keys: readonly string[]): void {
    const counted = keys.filter((key) => !this.#takeUncounted(key));
    if (counted.length > 0) this.#post({ kind: "limit_release", keys: counted });
  }

  loginAllowed(asked: LoginAttempt): Promise<LoginVerdict> {
    return this.#ask("loginAllowed", toPost(asked));
  }

  loginFailed(asked: LoginAttempt): Promise<readonly BegunBan[]> {
    return this.#ask("loginFailed", toPost(asked));
  }

  loginSucceeded(key: string): void {
    this.#post({ kind: "limit_success", key });
  }

  /** An answer has come. */
  answered({ ticket, answer }: ToLimitedWorker): void {
    const pending = this.#pending.get(ticket);
    if (pending !== undefined) {
      this.#pending.delete(ticket);
      if (this.#pending.size === 0) this.#deadline.disarm();
      return pending.resolve(answer);
    }
    const late = this.#late.get(ticket);
    this.#late.delete(ticket);
    // The client was answered without it: who is here still has that place now, else nobody needs it.
    if (late !== undefined && answer === null) this.release(late.holds.map(({ key }) => key));
  }

  close(): Promise<void> {
    this.#deadline.disarm();
    for (const { question, resolve } of this.#pending.values()) resolve(this.#without(question));
    this.#pending.clear();
    return Promise.resolve();
  }

  #ask<Q extends LimitQuestion>(question: Q, asked: LimitQuestions[Q]["asked"]) {
    const ticket = ++this.#tickets;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    if (this.#pending.size === 0) this.#deadline.arm(ANSWER_MS);
    this.#pending.set(ticket, { question, asked, askedAt: this.#clock.now(), resolve });
    this.#post({ kind: "limit_question", ticket, question, asked } as FromLimitedWorker);
    // The first thread answers each question in its kind.
    return promise as Promise<LimitQuestions[Q]["answer"]>;
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [ticket, { question, asked, askedAt, resolve }] of this.#pending) {
      const left = askedAt + ANSWER_MS - now;
      if (left > 0) return this.#deadline.arm(left);
      this.#pending.delete(ticket);
      if (question === "admit") this.#expireAdmission(ticket, asked as Admission);
      resolve(this.#without(question));
    }
  }

  #expireAdmission(ticket: number, asked: Admission): void {
    this.#late.set(ticket, asked);
    if (!this.#open()) return;
    for (const { key } of asked.holds) this.#uncounted.set(key, (this.#uncounted.get(key) ?? 0) + 1);
  }

  /** Whether there was an uncounted place, of which there is one less now. */
  #takeUncounted(key: string): boolean {
    const count = this.#uncounted.get(key) ?? 0;
    if (count > 1) this.#uncounted.set(key, count - 1);
    else this.#uncounted.delete(key);
    return count > 0;
  }

  #without(question: LimitQuestion): Answer {
    if (question === "loginFailed") return [];
    if (!this.#open()) return question === "admit" ? { over: "store" } : { kind: "store" };
    return question === "admit" ? null : { kind: "pass", delayMs: 0, index: 0 };
  }
}

/** Only what an object has of its own goes to another thread. */
function toPost({ watches, mark }: LoginAttempt): LoginAttempt {
  return { watches, mark };
}
