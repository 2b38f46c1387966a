import type { LimitStore } from "../ports/limit_store.ts";
import type { FromLimitedWorker, LimitQuestion, LimitQuestions, ToLimitedWorker } from "./limit_messages.ts";

/** The limits as the first thread offers them to one worker, which may die with places taken. */
export class HostedLimits {
  readonly #store: LimitStore;
  readonly #post: (message: ToLimitedWorker) => void;
  readonly #held = new Map<string, number>();
  #ended = false;

  constructor(store: LimitStore, post: (message: ToLimitedWorker) => void) {
    this.#store = store;
    this.#post = post;
  }

  receive(message: FromLimitedWorker): void {
    switch (message.kind) {
      case "limit_question":
        void this.#answer(message);
        break;
      case "limit_release":
        this.#release(message.keys);
        break;
      case "limit_success":
        this.#store.loginSucceeded(message.key);
        break;
    }
  }

  /** The worker is gone: what it had taken is free again. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const held = [...this.#held].flatMap(([key, count]) => Array<string>(count).fill(key));
    this.#held.clear();
    if (held.length > 0) this.#store.release(held);
  }

  async #answer(message: FromLimitedWorker & { readonly kind: "limit_question" }): Promise<void> {
    const answer = await this.#ask(message);
    if (message.question === "admit" && answer === null) {
      const keys = message.asked.holds.map(({ key }) => key);
      if (this.#ended) return this.#store.release(keys);
      for (const key of keys) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    }
    if (!this.#ended) this.#post({ kind: "limit_answer", ticket: message.ticket, answer });
  }

  #ask(
    message: FromLimitedWorker & { readonly kind: "limit_question" },
  ): Promise<LimitQuestions[LimitQuestion]["answer"]> {
    switch (message.question) {
      case "admit":
        return this.#store.admit(message.asked);
      case "loginAllowed":
        return Promise.resolve(this.#store.loginAllowed(message.asked));
      case "loginFailed":
        return this.#store.loginFailed(message.asked);
    }
  }

  #release(keys: readonly string[]): void {
    const known = keys.filter((key) => {
      const left = (this.#held.get(key) ?? 0) - 1;
      if (left > 0) this.#held.set(key, left);
      else this.#held.delete(key);
      return left >= 0;
    });
    if (known.length > 0) this.#store.release(known);
  }
}
