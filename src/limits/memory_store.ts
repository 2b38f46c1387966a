import type {
  Admission,
  AdmissionAnswer,
  BegunBan,
  LimitStore,
  LoginAttempt,
  LoginVerdict,
  LoginWatch,
  Rate,
} from "../ports/limit_store.ts";
import { fail, type Failures, forgottenAt, judge } from "./backoff.ts";
import { type Bucket, drainedAt, pour } from "./bucket.ts";
import { ForgetfulTable } from "./forgetful_table.ts";
import { familyOf, KNOWN_MS } from "./keys.ts";

/** Entries of one family of keys; those of connections are bounded by the connections. */
const MOST_ENTRIES = 65_536;

export interface MemoryStoreOptions {
  /** Milliseconds of a clock that is never set. */
  readonly now: () => number;
  /** Told of each entry that was forgotten early, with its family. */
  readonly forgot?: (family: string) => void;
  /** Default 65,536. */
  readonly mostEntries?: number;
}

/** Counts of this process. Everything is decided in one turn, so that none of it can be divided. */
export class MemoryLimitStore implements LimitStore {
  readonly #options: MemoryStoreOptions;
  readonly #held = new Map<string, number>();
  readonly #buckets = new Map<string, ForgetfulTable<Bucket>>();
  readonly #failures = new Map<string, ForgetfulTable<Failures>>();
  readonly #known = new Map<string, ForgetfulTable<true>>();

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
  }

  admit(admission: Admission): Promise<AdmissionAnswer> {
    return Promise.resolve(this.#admit(admission));
  }

  release(keys: readonly string[]): void {
    for (const key of keys) {
      const held = (this.#held.get(key) ?? 0) - 1;
      if (held > 0) this.#held.set(key, held);
      else this.#held.delete(key);
    }
  }

  loginFailed(attempt: LoginAttempt): Promise<readonly BegunBan[]> {
    const begun: BegunBan[] = [];
    for (const [index, watch] of attempt.watches.entries()) {
      if (this.#isExcepted(watch)) continue;
      const forMs = this.#fail(watch, attempt);
      if (forMs !== null) begun.push({ index, forMs });
    }
    return Promise.resolve(begun);
  }

  loginSucceeded(key: string): void {
    const now = this.#options.now();
    this.#set(this.#known, key, true, now + KNOWN_MS, now);
  }

  /** Bans that hold now. */
  get bans(): number {
    const now = this.#options.now();
    let bans = 0;
    for (const table of this.#failures.values()) {
      for (const { bannedUntil } of table.values(now)) if (bannedUntil > now) bans++;
    }
    return bans;
  }

  /** Places that are taken, over all keys. */
  get held(): number {
    let held = 0;
    for (const count of this.#held.values()) held += count;
    return held;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #admit({ bans, holds, rates }: Admission): AdmissionAnswer {
    const now = this.#options.now();
    for (const [index, key] of bans.entries()) {
      const failures = this.#get(this.#failures, key, now);
      if (failures !== null && failures.bannedUntil > now) return { over: "ban", index };
    }
    for (const [index, { key, most }] of holds.entries()) {
      if ((this.#held.get(key) ?? 0) >= most) return { over: "hold", index };
    }
    const poured: Bucket[] = [];
    for (const [index, rate] of rates.entries()) {
      const bucket = pour(this.#get(this.#buckets, rate.key, now), rate, now);
      if (bucket === null) return { over: "rate", index };
      poured.push(bucket);
    }
    for (const { key } of holds) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    for (const [index, bucket] of poured.entries()) this.#setBucket(rates[index]!, bucket, now);
    return null;
  }

  #setBucket(rate: Rate, bucket: Bucket, now: number): void {
    this.#set(this.#buckets, rate.key, bucket, drainedAt(bucket, rate), now);
  }

  loginAllowed(attempt: LoginAttempt): LoginVerdict {
    const now = this.#options.now();
    let delayMs = 0;
    let slowest = 0;
    for (const [index, watch] of attempt.watches.entries()) {
      if (this.#isExcepted(watch)) continue;
      const verdict = judge(this.#get(this.#failures, watch.key, now), watch.rule, now);
      if (verdict.kind === "banned") return { kind: "banned", index, forMs: null };
      if (verdict.kind === "refused") {
        const forMs = this.#fail(watch, attempt);
        return { kind: forMs === null ? "refused" : "banned", index, forMs };
      }
      if (verdict.delayMs > delayMs) {
        delayMs = verdict.delayMs;
        slowest = index;
      }
    }
    return { kind: "pass", delayMs, index: slowest };
  }

  #fail({ key, rule }: LoginWatch, { mark }: LoginAttempt): number | null {
    const now = this.#options.now();
    const { failures, bannedMs } = fail(this.#get(this.#failures, key, now), rule, now, mark);
    this.#set(this.#failures, key, failures, forgottenAt(failures, rule), now);
    return bannedMs;
  }

  #isExcepted({ unless }: LoginWatch): boolean {
    return unless !== null && this.#get(this.#known, unless, this.#options.now()) !== null;
  }

  #get<T>(tables: Map<string, ForgetfulTable<T>>, key: string, now: number): T | null {
    return tables.get(familyOf(key))?.get(key, now) ?? null;
  }

  /** Each family has a table of its own, so that a flood of made-up logins makes no address forgotten. */
  #set<T>(
    tables: Map<string, ForgetfulTable<T>>,
    key: string,
    value: T,
    forgetAt: number,
    now: number,
  ): void {
    const family = familyOf(key);
    let table = tables.get(family);
    if (table === undefined) {
      table = new ForgetfulTable(this.#options.mostEntries ?? MOST_ENTRIES);
      tables.set(family, table);
    }
    if (table.set(key, value, forgetAt, now)) this.#options.forgot?.(family);
  }
}
