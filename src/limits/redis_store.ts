import type { Clock, Deadline } from "../ports/clock.ts";
import type {
  Admission,
  AdmissionAnswer,
  BegunBan,
  LimitStore,
  LoginAttempt,
  LoginVerdict,
} from "../ports/limit_store.ts";
import type { Connector } from "../ports/transport.ts";
import { KNOWN_MS } from "./keys.ts";
import { readAdmission, readBegunBans, readDone, readVerdict } from "./redis_answers.ts";
import { RedisLink, type ScriptCall } from "./redis_link.ts";
import type { RedisReply } from "./redis_reply.ts";
import type { RedisTarget } from "./redis_sign_in.ts";

/** How long the places of a Postern count that nobody hears of any more. */
const LEASE_MS = 60_000;
/** Keys that are renewed with one call. */
const RENEWED_AT_ONCE = 256;
/** In an outage ever new clients may come. */
const MAX_DOUBTFUL = 65_536;
const PREFIX = "postern:";

export interface RedisStoreOptions {
  readonly target: RedisTarget;
  /** Opens its connections, and judges the server's certificate. */
  readonly connector: Connector;
  /** For each call, milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Whether clients are let in, uncounted, while Redis is away. */
  readonly open: boolean;
  /** Called when an outage begins, with the reason, and with null when it has ended. */
  readonly changed: (reason: string | null) => void;
  /** Called for each question that was answered without Redis. */
  readonly unanswered: () => void;
  /** Time instead of the server's, for tests. */
  readonly now?: () => number;
}

/**
 * Counts that several Posterns share in Redis or Valkey. Places are leases: each process says again and again how many
 * it has, so that those of one that died are free after {@linkcode LEASE_MS}, and those of one that lives are there
 * again after Redis lost them.
 */
export class RedisLimitStore implements LimitStore {
  readonly #options: RedisStoreOptions;
  readonly #link: RedisLink;
  /** The name of this process among those that share the counts. */
  readonly #me = crypto.randomUUID();
  /** A place of its own, so that every connection begins with a write: a store that takes none is away. */
  readonly #own = `process ${this.#me}`;
  /** Places that this process has. */
  readonly #held = new Map<string, number>();
  /** Admissions under way for a key: what Redis says of it may be newer than `#held`. */
  readonly #asking = new Map<string, number>();
  /** Keys of which Redis may have another number than we do. */
  readonly #doubtful = new Set<string>();
  readonly #renewal: Deadline;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    const { target, connector, timeoutMs, clock, changed } = options;
    this.#renewal = clock.deadline(() => void this.#renewOften());
    this.#link = new RedisLink({
      target,
      connector,
      timeoutMs,
      clock,
      changed,
      ready: async (call) => {
        await this.#renew(call);
        this.#renewal.arm(LEASE_MS / 3);
      },
    });
  }

  async admit(admission: Admission): Promise<AdmissionAnswer> {
    const { bans, holds, rates } = admission;
    const keys = [...bans, ...holds.map(({ key }) => key), ...rates.map(({ key }) => key)].map(withPrefix);
    const counts = [bans.length, holds.length, rates.length];
    const limits = [
      ...holds.map(({ most }) => most),
      ...rates.flatMap(({ count, perMs, burst }) => [count, perMs, burst]),
    ];
    for (const { key } of holds) add(this.#asking, key, 1);
    try {
      const answer = await this.#link.call({
        script: "admit",
        keys,
        args: [...this.#head(), ...counts, ...limits],
        read: (reply) => readAdmission(reply, admission),
      });
      if (answer !== null) return answer;
      for (const { key } of holds) add(this.#held, key, 1);
      return null;
    } catch {
      return this.#admitWithout(admission);
    } finally {
      for (const { key } of holds) add(this.#asking, key, -1);
    }
  }

  release(keys: readonly string[]): void {
    const held = keys.filter((key) => this.#held.has(key));
    for (const key of held) add(this.#held, key, -1);
    if (held.length === 0) return;
    const question = {
      script: "release",
      keys: held.map(withPrefix),
      args: this.#head(),
      read: readDone,
    } as const;
    this.#link.call(question).catch(() => this.#doubt(held));
  }

  async loginAllowed(attempt: LoginAttempt): Promise<LoginVerdict> {
    try {
      return await this.#login("allowed", attempt, readVerdict);
    } catch {
      this.#options.unanswered();
      return this.#options.open ? { kind: "pass", delayMs: 0, index: 0 } : { kind: "store" };
    }
  }

  async loginFailed(attempt: LoginAttempt): Promise<readonly BegunBan[]> {
    try {
      return await this.#login("failed", attempt, readBegunBans);
    } catch {
      this.#options.unanswered();
      return [];
    }
  }

  loginSucceeded(key: string): void {
    void this.#link.remember(withPrefix(key), KNOWN_MS);
  }

  async close(): Promise<void> {
    this.#renewal.disarm();
    const left = [...this.#held.keys()];
    for (const key of left) this.#held.delete(key);
    if (this.#link.up && left.length > 0) {
      await this.#renew((question) => this.#link.call(question), left).catch(() => {});
    }
    await this.#link.close();
    this.#renewal.disarm();
  }

  #login<Answer>(
    what: "allowed" | "failed",
    attempt: LoginAttempt,
    read: (reply: RedisReply, attempt: LoginAttempt) => Answer,
  ): Promise<Answer> {
    const { watches, mark } = attempt;
    const keys = watches.flatMap(({ key, unless }) => [key, unless ?? key]).map(withPrefix);
    const rules = watches.flatMap(({ rule, unless }) => [
      unless === null ? 0 : 1,
      ...[rule.delay, rule.refuse, rule.ban].map((count) => count ?? -1),
      rule.forgetMs,
      rule.banMs,
      rule.banMaxMs,
    ]);
    return this.#link.call({
      script: "login",
      keys,
      args: [...this.#head(), what, mark, ...rules],
      read: (reply) => read(reply, attempt),
    });
  }

  /** The arguments that all scripts have. */
  #head(): (string | number)[] {
    const { now } = this.#options;
    return [now === undefined ? "" : now(), this.#me, LEASE_MS];
  }

  #admitWithout({ holds }: Admission): AdmissionAnswer {
    this.#options.unanswered();
    this.#doubt(holds.map(({ key }) => key));
    if (!this.#options.open) return { over: "store" };
    // Who is let in takes a place, of which Redis is told when it is back.
    for (const { key } of holds) add(this.#held, key, 1);
    return null;
  }

  /** Redis is told of `keys` when it is back; of what is forgotten here before, it forgets its own with the lease. */
  #doubt(keys: readonly string[]): void {
    if (this.#doubtful.size + keys.length > MAX_DOUBTFUL) this.#doubtful.clear();
    for (const key of keys) this.#doubtful.add(key);
  }

  async #renewOften(): Promise<void> {
    try {
      if (this.#link.up) await this.#renew((question) => this.#link.call(question));
    } catch {
      // The connection is gone; the next one begins with this.
      return;
    }
    if (this.#link.up) this.#renewal.arm(LEASE_MS / 3);
  }

  /**
   * Tells Redis of all places, or of those of `keys`. There is always one: so a connection is never idle for long, and a
   * server that is away is noticed before somebody waits for it.
   */
  async #renew(
    call: ScriptCall,
    keys = [this.#own, ...new Set([...this.#held.keys(), ...this.#doubtful])],
  ): Promise<void> {
    for (let at = 0; at < keys.length; at += RENEWED_AT_ONCE) {
      const some = keys.slice(at, at + RENEWED_AT_ONCE);
      const counts = some.map((key) => this.#countOf(key));
      const doubtful = some.filter((key) => !this.#asking.has(key));
      const args = [...this.#head(), ...counts];
      await call({ script: "renew", keys: some.map(withPrefix), args, read: readDone });
      for (const key of doubtful) this.#doubtful.delete(key);
    }
  }

  /** How many places of `key` we have; `-` for as many as Redis says. */
  #countOf(key: string): number | "-" {
    if (key === this.#own) return 1;
    return this.#asking.has(key) ? "-" : this.#held.get(key) ?? 0;
  }
}

function withPrefix(key: string): string {
  return PREFIX + key;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
