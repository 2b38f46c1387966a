/**
 * What is counted over all sessions: places of those who are connected, requests at a rate, failed logins.
 *
 * A key names what is counted, such as `conn client 192.0.2.0/24`; the store does not look into it. Limits come with
 * every question, so that a changed configuration holds for counts that are there already.
 *
 * @module
 */

/** At most `most` holders of a key at a time. */
export interface Hold {
  readonly key: string;
  readonly most: number;
}

/** A leaky bucket, as nginx's `limit_req`: so many in a time, and `burst` more at once. */
export interface Rate {
  readonly key: string;
  readonly count: number;
  readonly perMs: number;
  readonly burst: number;
}

/** What somebody asks to be let in for: all of it, or nothing is taken. */
export interface Admission {
  /** Keys that must not be banned ({@linkcode LoginRule}). */
  readonly bans: readonly string[];
  /** Taken until they are released. */
  readonly holds: readonly Hold[];
  /** Taken for good. */
  readonly rates: readonly Rate[];
}

/** Which part of an admission stood in the way; null when all was taken. */
export type AdmissionAnswer =
  | null
  | { readonly over: "ban" | "hold" | "rate"; readonly index: number }
  /** The store is away, and nobody is to be let in without it. */
  | { readonly over: "store" };

/** What failed logins bring, by how many of them are remembered. */
export interface LoginRule {
  /** From so many on a login waits; null never. */
  readonly delay: number | null;
  /** From so many on a login is refused unasked; null never. */
  readonly refuse: number | null;
  /** From so many on nobody is let in for a time; null never. */
  readonly ban: number | null;
  /** One failure is forgotten in this time. */
  readonly forgetMs: number;
  /** The first ban; each further one is twice as long. */
  readonly banMs: number;
  readonly banMaxMs: number;
}

/** Failures that count for one key. */
export interface LoginWatch {
  readonly key: string;
  readonly rule: LoginRule;
  /** A key of {@linkcode LimitStore.loginSucceeded}: whoever has it is not watched here. Null for none. */
  readonly unless: string | null;
}

/** One login: who is watched, the most likely culprit first. */
export interface LoginAttempt {
  readonly watches: readonly LoginWatch[];
  /** Stands for the credentials: the same ones that fail again are not counted again. May be made when it is read. */
  readonly mark: string;
}

export type LoginVerdict =
  | { readonly kind: "pass"; readonly delayMs: number; readonly index: number }
  /** `forMs` is the time of a ban that this attempt began, else null. */
  | { readonly kind: "refused" | "banned"; readonly index: number; readonly forMs: number | null }
  /** The store is away, and nobody is to be let in without it. */
  | { readonly kind: "store" };

/** A ban that a failed login began. */
export interface BegunBan {
  readonly index: number;
  readonly forMs: number;
}

/**
 * Counts of one process, or of several. Nothing here rejects: what goes wrong is logged by the implementation, and
 * answered as the operator wants it. Every call has a bound in time.
 */
export interface LimitStore {
  admit(admission: Admission): Promise<AdmissionAnswer>;
  /** Gives places back, each once for every time it was taken. */
  release(keys: readonly string[]): void;
  /** Asks whether a login may be tried now. */
  loginAllowed(attempt: LoginAttempt): LoginVerdict | Promise<LoginVerdict>;
  /** A login was tried and refused. */
  loginFailed(attempt: LoginAttempt): Promise<readonly BegunBan[]>;
  /** Remembers `key` as one that has signed in. */
  loginSucceeded(key: string): void;
  /** Ends it. Idempotent. */
  close(): Promise<void>;
}
