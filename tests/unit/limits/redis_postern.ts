import { createClock } from "../../../src/io/deadlines.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import type { RedisTarget } from "../../../src/limits/redis_sign_in.ts";
import { RedisLimitStore, type RedisStoreOptions } from "../../../src/limits/redis_store.ts";
import { within } from "../../support/patience.ts";

/** A Redis on a port of this host, but for what `more` says. */
export function targetOf(port: number, more: Partial<RedisTarget> = {}): RedisTarget {
  return {
    address: { kind: "tcp", host: "127.0.0.1", port },
    tls: false,
    trustedCertificates: null,
    user: null,
    password: null,
    database: 0,
    ...more,
  };
}

/** A store, and what it says about Redis. */
export class Postern {
  readonly store: RedisLimitStore;
  readonly changes: (string | null)[] = [];
  unanswered = 0;
  readonly #clock = createClock();
  #waiting: (() => void)[] = [];

  constructor(target: RedisTarget, options: Partial<RedisStoreOptions> = {}) {
    this.store = new RedisLimitStore({
      target,
      connector: createDialer(),
      timeoutMs: 2_000,
      clock: this.#clock,
      open: true,
      changed: (reason) => {
        this.changes.push(reason);
        for (const wake of this.#waiting.splice(0)) wake();
      },
      unanswered: () => this.unanswered++,
      ...options,
    });
  }

  /** Waits until the store has said so often that Redis is away or back. */
  async changed(times: number): Promise<void> {
    const come = async () => {
      while (this.changes.length < times) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    await within(come(), () => `only ${JSON.stringify(this.changes)}`);
  }

  /** Waits until Redis answers for the first time. */
  async connected(): Promise<this> {
    const answered = async () => {
      for (;;) {
        const before = this.unanswered;
        await this.store.admit({ bans: ["x"], holds: [], rates: [] });
        if (this.unanswered === before) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await within(answered(), () => `Redis does not answer: ${JSON.stringify(this.changes)}`);
    this.unanswered = 0;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    this.#clock.close();
  }
}
