/**
 * What the scripts and our other commands answer, read strictly: a server that answers otherwise does not run them.
 *
 * @module
 */
import type {
  Admission,
  AdmissionAnswer,
  BegunBan,
  LoginAttempt,
  LoginVerdict,
} from "../ports/limit_store.ts";
import { LONGEST_DELAY_MS } from "./backoff.ts";
import type { RedisReply, RedisValue } from "./redis_reply.ts";

/** Milliseconds, from {@linkcode SCRIPTS}' own `whole()`. */
const WHOLE = /^\d{1,15}$/;

/** What `admit` answers. @throws {Error} when it is no such answer. */
export function readAdmission(
  reply: RedisReply,
  { bans, holds, rates }: Admission,
): AdmissionAnswer {
  const [over, index] = listOf(reply, 2);
  if (over === "ok") return null;
  if (over === "ban") return { over, index: indexIn(index, bans) };
  if (over === "hold") return { over, index: indexIn(index, holds) };
  if (over === "rate") return { over, index: indexIn(index, rates) };
  throw noAnswer();
}

/** What `login` answers where a login may be tried. @throws {Error} when it is no such answer. */
export function readVerdict(reply: RedisReply, { watches }: LoginAttempt): LoginVerdict {
  const [kind, index, value] = listOf(reply, 3);
  if (kind === "pass") {
    const delayMs = whole(value);
    if (delayMs > LONGEST_DELAY_MS) throw noAnswer();
    // Who does not wait does so for nobody, and there may be nobody who is watched.
    return { kind, index: delayMs === 0 ? 0 : indexIn(index, watches), delayMs };
  }
  if (kind !== "refused" && kind !== "banned") throw noAnswer();
  return { kind, index: indexIn(index, watches), forMs: value === "-1" ? null : whole(value) };
}

/** What `login` answers where one has failed. @throws {Error} when it is no such answer. */
export function readBegunBans(reply: RedisReply, { watches }: LoginAttempt): readonly BegunBan[] {
  const items = listOf(reply);
  if (items.length % 2 !== 0 || items.length > 2 * watches.length) throw noAnswer();
  const bans: BegunBan[] = [];
  for (let at = 0; at < items.length; at += 2) {
    bans.push({ index: indexIn(items[at], watches), forMs: whole(items[at + 1]) });
  }
  return bans;
}

/** What the scripts answer that change places. @throws {Error} when it is no such answer. */
export function readDone(reply: RedisReply): void {
  if (reply !== 1) throw noAnswer();
}

/** What a command answers that gives nothing back. @throws {Error} when it is no such answer. */
export function readOk(reply: RedisReply): void {
  if (reply !== "OK") throw noAnswer();
}

function listOf(reply: RedisReply, length?: number): readonly RedisValue[] {
  const list = Array.isArray(reply) ? reply as readonly RedisValue[] : null;
  if (list === null || length !== undefined && list.length !== length) throw noAnswer();
  return list;
}

function indexIn(value: RedisValue | undefined, list: readonly unknown[]): number {
  if (typeof value !== "number" || !(value in list)) throw noAnswer();
  return value;
}

function whole(value: RedisValue | undefined): number {
  if (typeof value !== "string" || !WHOLE.test(value)) throw noAnswer();
  return Number(value);
}

function noAnswer(): Error {
  return new Error("it answers what is none of our answers");
}
