/**
 * Which limits apply to a client, and the keys that they are counted by.
 *
 * @module
 */
import type { ConnLimit, LimitKey, LimitSettings, LoginLimit, RateLimit } from "../config/settings.ts";
import type { Admission, Hold, LoginWatch, Rate } from "../ports/limit_store.ts";
import { isInRanges } from "./access.ts";
import { networkOf } from "./client_network.ts";

/** Limits that are checked together. */
interface LimitGroup {
  readonly bans: readonly LoginLimit[];
  readonly conns: readonly ConnLimit[];
  readonly rates: readonly RateLimit[];
}

/** The limits of a server, by when they are checked; null where there are none. */
export interface LimitPlan {
  readonly settings: LimitSettings;
  /** Whether a client may be turned away before he has said anything. */
  readonly atEntrance: boolean;
  /** A client has connected. */
  readonly entry: LimitGroup | null;
  /** A user has signed in. */
  readonly login: LimitGroup | null;
  /** A message begins. */
  readonly message: LimitGroup | null;
  readonly recipient: LimitGroup | null;
  /** A message begins with its first recipient. */
  readonly messageAndRecipient: LimitGroup | null;
}

/** Who is counted. */
export interface Counted {
  /** The client's network, or null for a client whose address counts for nothing. */
  readonly network: string | null;
  /** The same, exempt or not: where a user has signed in from. */
  readonly home: string | null;
  /** Login, or null before there is one. */
  readonly user: string | null;
}

/** What is asked of the store, and what each part of it is called. */
export interface NamedAdmission {
  readonly admission: Admission;
  /** In the order of bans, of holds and of rates. */
  readonly names: { readonly ban: LimitName[]; readonly hold: LimitName[]; readonly rate: LimitName[] };
}

/** A limit as logs and metrics name it. */
export interface LimitName {
  /** From a closed set: what is limited, then by what, such as `messages_user`. */
  readonly label: string;
  readonly what: string;
  readonly by: LimitKey;
  /** The network or the user, empty for a total. */
  readonly subject: string;
}

/** Milliseconds of the units of rates. */
const UNIT_MS: Readonly<Record<RateLimit["per"], number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Nobody makes a key longer than this. */
const USER_LENGTH = 255;

/** Sorts the limits of a server by when they are checked; null when nothing is limited and everybody may connect. */
export function planLimits(settings: LimitSettings): LimitPlan | null {
  const { access, limit_conn, limit_req, limit_login } = settings;
  if (access.length + limit_conn.length + limit_req.length + limit_login.length === 0) return null;
  const rates = (...whats: RateLimit["what"][]) => limit_req.filter(({ what }) => whats.includes(what));
  const entry = group({
    bans: limit_login.filter(({ by, ban }) => by === "client" && ban !== null),
    conns: limit_conn.filter(({ by }) => by !== "user"),
    rates: rates("connections").filter(({ by }) => by !== "user"),
  });
  return {
    settings,
    atEntrance: access.length > 0 || entry !== null,
    entry,
    login: group({
      bans: [],
      conns: limit_conn.filter(({ by }) => by === "user"),
      rates: rates("connections").filter(({ by }) => by === "user"),
    }),
    message: group({ bans: [], conns: [], rates: rates("messages") }),
    recipient: group({ bans: [], conns: [], rates: rates("recipients") }),
    messageAndRecipient: group({ bans: [], conns: [], rates: rates("messages", "recipients") }),
  };
}

function group(limits: LimitGroup): LimitGroup | null {
  return limits.bans.length + limits.conns.length + limits.rates.length === 0 ? null : limits;
}

/** Who a client is before he has signed in. */
export function clientOf(host: string, settings: LimitSettings): Counted {
  const home = networkOf(host, settings);
  const exempt = isInRanges(settings.limit_exempt, host);
  return { network: exempt ? null : home, home, user: null };
}

/** What to ask of the store; null when no limit of the group applies. */
export function admissionOf(group: LimitGroup, who: Counted): NamedAdmission | null {
  const bans: string[] = [];
  const holds: Hold[] = [];
  const rates: Rate[] = [];
  const names: NamedAdmission["names"] = { ban: [], hold: [], rate: [] };
  for (const limit of group.bans) {
    const subject = subjectOf(limit.by, who);
    if (subject === null) continue;
    bans.push(keyOf("login", limit.by, limit.zone, subject));
    names.ban.push(nameOf("login", limit.by, subject));
  }
  for (const limit of group.conns) {
    const subject = subjectOf(limit.by, who);
    if (subject === null) continue;
    holds.push({ key: keyOf("conn", limit.by, limit.zone, subject), most: limit.most });
    names.hold.push(nameOf("conn", limit.by, subject));
  }
  for (const limit of group.rates) {
    const subject = subjectOf(limit.by, who);
    if (subject === null) continue;
    rates.push(rateOf(limit, subject));
    names.rate.push(nameOf(limit.what, limit.by, subject));
  }
  if (bans.length + holds.length + rates.length === 0) return null;
  return { admission: { bans, holds, rates }, names };
}

/** Two rates of the same thing are two buckets. */
function rateOf({ what, by, zone, count, per, burst }: RateLimit, subject: string): Rate {
  const key = keyOf(what, by, `${zone}:${count}r/${per}`, subject);
  return { key, count, perMs: UNIT_MS[per], burst };
}

/** Who is watched for failing logins as `who`, the address first. */
export function watchesOf(
  { settings: { limit_login } }: LimitPlan,
  who: Counted,
): { readonly watches: readonly LoginWatch[]; readonly names: readonly LimitName[] } {
  const watches: LoginWatch[] = [];
  const names: LimitName[] = [];
  for (const by of ["client", "user"] as const) {
    for (const limit of limit_login) {
      const subject = limit.by === by ? subjectOf(by, who) : null;
      if (subject === null) continue;
      // Otherwise anybody could lock a user out of his account: where he has signed in from, he still may.
      const unless = by === "user" && who.home !== null ? knownKey(who.user ?? "", who.home) : null;
      watches.push({ key: keyOf("login", by, limit.zone, subject), rule: ruleOf(limit), unless });
      names.push(nameOf("login", by, subject));
    }
  }
  return { watches, names };
}

/** The key of a user who has signed in from a network; null when nobody will ask for it. */
export function successKey({ settings: { limit_login } }: LimitPlan, who: Counted): string | null {
  if (who.user === null || who.home === null || !limit_login.some(({ by }) => by === "user")) return null;
  return knownKey(who.user, who.home);
}

function knownKey(user: string, network: string): string {
  return keyOf("known", "user", network, userSubject(user));
}

function ruleOf({ delay, refuse, ban, forget, ban_time, ban_max }: LoginLimit): LoginWatch["rule"] {
  return { delay, refuse, ban, forgetMs: forget, banMs: ban_time, banMaxMs: ban_max };
}

function subjectOf(by: LimitKey, { network, user }: Counted): string | null {
  if (by === "total") return "";
  return by === "client" ? network : user === null ? null : userSubject(user);
}

/** Nobody gets another count by writing his name in capitals. */
function userSubject(user: string): string {
  return user.slice(0, USER_LENGTH).replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function keyOf(what: string, by: LimitKey, zone: string, subject: string): string {
  return `${what} ${by} ${zone} ${subject}`;
}

function nameOf(what: string, by: LimitKey, subject: string): LimitName {
  return { label: `${what}_${by}`, what, by, subject };
}
