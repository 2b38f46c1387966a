/**
 * What failed logins bring: first a delay, then a refusal, then a ban; all pure.
 *
 * Failures are a whole number that goes down by one in every `forgetMs`. While logins are refused, further ones count
 * too, so whoever goes on is banned. After a ban one try is free before the next refusal, and the next ban is twice as
 * long. The same credentials count once, as in Dovecot: a device with an old password is no attack.
 *
 * @module
 */
import type { LoginRule } from "../ports/limit_store.ts";

/** So many of the latest credentials are told apart. */
export const MARKS = 8;
/** The first delay; each failure doubles it, up to the longest, which clients still wait for. */
const FIRST_DELAY_MS = 1_000;
export const LONGEST_DELAY_MS = 15_000;

/** What is remembered of a key. */
export interface Failures {
  readonly count: number;
  /** Since when `count` has been right: from here on it is forgotten step by step. */
  readonly since: number;
  /** Marks of credentials that failed, the latest last. */
  readonly marks: readonly string[];
  /** End of the last ban, or 0. */
  readonly bannedUntil: number;
  /** Bans so far. */
  readonly bans: number;
}

export type Verdict =
  | { readonly kind: "pass"; readonly delayMs: number }
  | { readonly kind: "refused" }
  | { readonly kind: "banned" };

/** What a login meets that comes now. */
export function judge(failures: Failures | null, rule: LoginRule, now: number): Verdict {
  if (failures === null) return { kind: "pass", delayMs: 0 };
  if (failures.bannedUntil > now) return { kind: "banned" };
  const { count } = forget(failures, rule, now);
  if (rule.refuse !== null && count >= rule.refuse) return { kind: "refused" };
  if (rule.delay === null || count < rule.delay) return { kind: "pass", delayMs: 0 };
  return { kind: "pass", delayMs: Math.min(FIRST_DELAY_MS * 2 ** (count - rule.delay), LONGEST_DELAY_MS) };
}

/** Counts one more failure; `bannedMs` is the ban that it begins, or null. */
export function fail(
  before: Failures | null,
  rule: LoginRule,
  now: number,
  mark: string,
): { readonly failures: Failures; readonly bannedMs: number | null } {
  const known = before === null ? NONE : forget(before, rule, now);
  if (known.marks.includes(mark)) return { failures: known, bannedMs: null };
  const count = known.count + 1;
  const since = known.count === 0 ? now : known.since;
  const marks = [...known.marks, mark].slice(-MARKS);
  if (rule.ban === null || count < rule.ban) {
    return { failures: { ...known, count, since, marks }, bannedMs: null };
  }
  const bannedMs = Math.min(rule.banMs * 2 ** known.bans, rule.banMaxMs);
  const failures = {
    count: Math.max(0, (rule.refuse ?? rule.ban) - 1),
    since: now + bannedMs,
    marks,
    bannedUntil: now + bannedMs,
    bans: known.bans + 1,
  };
  return { failures, bannedMs };
}

/** When nothing is left to be remembered. */
export function forgottenAt(failures: Failures, rule: LoginRule): number {
  const counted = failures.since + failures.count * rule.forgetMs;
  return failures.bans === 0 ? counted : Math.max(counted, failures.bannedUntil + rule.banMaxMs);
}

const NONE: Failures = Object.freeze({ count: 0, since: 0, marks: [], bannedUntil: 0, bans: 0 });

function forget(failures: Failures, rule: LoginRule, now: number): Failures {
  // Bans are forgotten when there was none for the time of the longest.
  const bans = now >= failures.bannedUntil + rule.banMaxMs ? 0 : failures.bans;
  const steps = Math.max(0, Math.floor((now - failures.since) / rule.forgetMs));
  if (steps === 0 && bans === failures.bans) return failures;
  const count = Math.max(0, failures.count - steps);
  return { ...failures, bans, count, since: count === 0 ? now : failures.since + steps * rule.forgetMs };
}
