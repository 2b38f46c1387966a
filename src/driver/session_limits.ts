/**
 * What one session asks of the limits: at the entrance, around its login, and for what it sends.
 *
 * @module
 */
import {
  admissionOf,
  clientOf,
  type Counted,
  type LimitName,
  type LimitPlan,
  type NamedAdmission,
  successKey,
  watchesOf,
} from "../policy/limits.ts";
import { decodeLatin1 } from "../bytes/latin1.ts";
import { mayConnect } from "../policy/access.ts";
import type { Admission, RelayAdmission } from "../ports/admission.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { LimitStore, LoginAttempt, LoginVerdict } from "../ports/limit_store.ts";
import type { Metrics, SessionOutcome } from "../ports/telemetry.ts";
import type { ClientQuestion } from "../session/client_machine.ts";
import { REPLIES, type ServerReplies, type SpokenReply } from "../session/replies.ts";
import type { SessionLog } from "./session_log.ts";

/** What clients are limited with. */
export interface LimitPorts {
  readonly store: LimitStore;
  /** Stands for credentials, and is of no use to whoever sees it. */
  readonly mark: (user: string, secret: string) => string;
}

/** The limits of a server, made ready. */
export interface ServerLimits extends LimitPorts {
  readonly plan: LimitPlan;
}

/** What a client hears instead of what it wanted. */
export interface LimitRefusal {
  readonly reply: SpokenReply;
  readonly outcome: SessionOutcome;
  readonly close: boolean;
}

/** May a login be tried, and after which delay? */
export type LoginLeave =
  | { readonly kind: "refused"; readonly refusal: LimitRefusal }
  | { readonly kind: "may"; readonly delayMs: number };

/** Where nothing has to be asked the answer is there at once. */
export type LimitAnswer = LimitRefusal | null | Promise<LimitRefusal | null>;

/** One login, and how those who are watched for it are named. */
class WatchedLogin implements LoginAttempt {
  readonly watches: LoginAttempt["watches"];
  readonly names: readonly LimitName[];
  readonly #makeMark: () => string;
  #mark: string | null = null;

  constructor({ watches, names }: ReturnType<typeof watchesOf>, makeMark: () => string) {
    this.watches = watches;
    this.names = names;
    this.#makeMark = makeMark;
  }

  // Most logins are good, and the store in memory looks at the marks of bad ones only.
  get mark(): string {
    return this.#mark ??= this.#makeMark();
  }
}

/** One session's place among all. Made when the client's address is known. */
export class SessionLimits {
  readonly #limits: ServerLimits;
  readonly #replies: ServerReplies;
  readonly #log: SessionLog;
  readonly #metrics: Metrics;
  readonly #host: string;
  readonly #held: string[] = [];
  #who: Counted;

  constructor(
    limits: ServerLimits,
    host: string,
    ports: { readonly replies: ServerReplies; readonly log: SessionLog; readonly metrics: Metrics },
  ) {
    this.#limits = limits;
    this.#host = host;
    this.#replies = ports.replies;
    this.#log = ports.log;
    this.#metrics = ports.metrics;
    this.#who = clientOf(host, limits.plan.settings);
  }

  /** At the entrance, once: null lets the client in. */
  enter(): LimitAnswer {
    const { plan } = this.#limits;
    if (!mayConnect(plan.settings.access, this.#host)) {
      this.#metrics.count("limit_hits", "access");
      this.#log.note("warn", "access_denied", "access forbidden by rule");
      return { reply: this.#replies.denied, outcome: "denied", close: true };
    }
    return plan.entry === null ? null : this.#admit(admissionOf(plan.entry, this.#who), CLOSING);
  }

  /** Before a login is tried. */
  beforeLogin(question: ClientQuestion): LoginLeave | Promise<LoginLeave> {
    const watched = this.#watch(question);
    if (watched === null) return { kind: "may", delayMs: 0 };
    const verdict = this.#limits.store.loginAllowed(watched);
    return verdict instanceof Promise
      ? verdict.then((verdict) => this.#leaveFor(watched, verdict))
      : this.#leaveFor(watched, verdict);
  }

  #leaveFor(watched: WatchedLogin, verdict: LoginVerdict): LoginLeave {
    if (verdict.kind === "store") return { kind: "refused", refusal: this.#storeAway(CLOSING) };
    const name = watched.names[verdict.index];
    if (verdict.kind === "pass") {
      if (verdict.delayMs > 0 && name !== undefined) this.#tellDelay(name, verdict.delayMs);
      return { kind: "may", delayMs: verdict.delayMs };
    }
    if (verdict.forMs !== null) this.#tellBan(name!, verdict.forMs);
    const banned = verdict.kind === "banned";
    this.#tellHit(name!, banned ? "the login is banned" : "too many logins failed");
    return {
      kind: "refused",
      refusal: banned
        ? { reply: this.#replies.banned, outcome: "limited", close: true }
        : { reply: REPLIES.loginRefused, outcome: "limited", close: false },
    };
  }

  /** A login that was tried has its answer: not null when it is good and there is no place for it. */
  answered(question: ClientQuestion, answer: AuthAnswer, user: string): LimitAnswer {
    if (answer.kind === "refused") return this.#loginFailed(question, answer);
    if (answer.kind !== "accepted" || question.method === "none") return null;
    const { plan, store } = this.#limits;
    const known = successKey(plan, { ...this.#who, user: question.user });
    if (known !== null) store.loginSucceeded(known);
    this.#who = { ...this.#who, user };
    return plan.login === null ? null : this.#admit(admissionOf(plan.login, this.#who), CLOSING);
  }

  /** For a message, a recipient, or both at once: null lets it pass. */
  send(what: "message" | "recipient" | "messageAndRecipient"): LimitAnswer {
    const group = this.#limits.plan[what];
    return group === null ? null : this.#admit(admissionOf(group, this.#who), STAYING);
  }

  /** What the guard of the relay asks; null where nothing that is sent has a limit. */
  get admission(): RelayAdmission | null {
    const { message, recipient } = this.#limits.plan;
    if (message === null && recipient === null) return null;
    return { message: () => this.#relayed("message"), recipient: () => this.#relayed("recipient") };
  }

  async #relayed(what: "message" | "recipient"): Promise<Admission> {
    const refusal = await this.send(what);
    if (refusal === null) return null;
    return { reply: decodeLatin1(refusal.reply.bytes).trimEnd(), close: refusal.close };
  }

  /** Gives back what the session holds. */
  leave(): void {
    if (this.#held.length > 0) this.#limits.store.release(this.#held.splice(0));
  }

  async #admit(asked: NamedAdmission | null, ending: Ending): Promise<LimitRefusal | null> {
    if (asked === null) return null;
    const { admission, names } = asked;
    const answer = await this.#limits.store.admit(admission);
    if (answer === null) {
      for (const { key } of admission.holds) this.#held.push(key);
      return null;
    }
    if (answer.over === "store") return this.#storeAway(ending);
    const name = names[answer.over][answer.index]!;
    if (answer.over === "ban") {
      this.#tellHit(name, "the address is banned");
      return { reply: this.#replies.banned, outcome: "limited", close: true };
    }
    this.#tellHit(name, `limiting ${answer.over === "hold" ? "connections" : name.what} by ${name.by}`);
    return { reply: this.#replyTo(name), ...ending };
  }

  #replyTo({ what }: LimitName): SpokenReply {
    if (what === "messages") return REPLIES.tooManyMessages;
    return what === "recipients" ? REPLIES.tooManyRecipients : this.#replies.tooManyConnections;
  }

  async #loginFailed(question: ClientQuestion, answer: AuthAnswer & { kind: "refused" }): Promise<null> {
    // With a temporary code the service says that it could not decide.
    if (answer.code?.startsWith("4") === true) return null;
    const watched = this.#watch(question);
    if (watched === null) return null;
    for (const { index, forMs } of await this.#limits.store.loginFailed(watched)) {
      this.#tellBan(watched.names[index]!, forMs);
    }
    return null;
  }

  #watch({ method, user, secret }: ClientQuestion): WatchedLogin | null {
    if (method === "none") return null;
    // What a certificate or a token says of the user is for the auth service.
    const watched = watchesOf(this.#limits.plan, { ...this.#who, user: user === "" ? null : user });
    if (watched.watches.length === 0) return null;
    return new WatchedLogin(watched, () => this.#limits.mark(user, secret));
  }

  /** The store has logged it. */
  #storeAway({ close, outcome }: Ending): LimitRefusal {
    this.#metrics.count("limit_hits", "store");
    return { reply: close ? this.#replies.unavailable : REPLIES.internalError, outcome, close };
  }

  #tellHit({ label, by, subject }: LimitName, message: string): void {
    this.#metrics.count("limit_hits", label);
    this.#log.note("warn", "limit_hit", message, { limit: label, ...fieldOf(by, subject) });
  }

  #tellDelay({ label, by, subject }: LimitName, ms: number): void {
    this.#metrics.count("login_backoff", "delayed");
    const message = `login waits ${ms / 1000} s after failed ones`;
    this.#log.note("info", "login_delayed", message, {
      limit: label,
      seconds: ms / 1000,
      ...fieldOf(by, subject),
    });
  }

  #tellBan({ label, by, subject }: LimitName, ms: number): void {
    this.#metrics.count("login_backoff", "banned");
    const message = `too many logins failed: banned for ${ms / 1000} s`;
    this.#log.note("warn", "login_banned", message, {
      limit: label,
      seconds: ms / 1000,
      ...fieldOf(by, subject),
    });
  }
}

type Ending = Omit<LimitRefusal, "reply">;
const CLOSING: Ending = { outcome: "limited", close: true };
const STAYING: Ending = { outcome: "limited", close: false };

function fieldOf(by: LimitName["by"], subject: string): Readonly<Record<string, string>> {
  return by === "total" ? {} : { [by === "client" ? "network" : "user"]: subject };
}
