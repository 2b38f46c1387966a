import type { AccessLog, SessionRecord } from "../ports/access_log.ts";
import type { AuthAnswer, AuthMethod } from "../ports/auth_backend.ts";
import type { MessageRecord, SessionContext, SessionOutcome, SessionState } from "../ports/telemetry.ts";
import type { TlsFacts } from "../ports/transport.ts";
import type { ClientQuestion } from "../session/client_machine.ts";
import type { RelayResult } from "./relay.ts";

/** What is known of a session at its end and nowhere before. */
export interface SessionEnd {
  readonly outcome: SessionOutcome;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly tls: TlsFacts | null;
  readonly relayed: RelayResult | null;
  /** Argument of the last HELO or EHLO, empty before it. */
  readonly helo: string;
  /** Null where nobody was asked for it. */
  readonly clientHost: string | null;
}

/** The last reply of a mail server. */
type LastReply = SessionRecord["reply"];

/** Gathers what the access log says of a session, at the changes of its stage; made where one is written only. */
export class SessionRecording {
  readonly #access: AccessLog;
  readonly #context: SessionContext;
  /** Who the connection came from, before any PROXY header. */
  readonly #peer: SessionContext["client"];
  readonly #startedAt: number;
  readonly #stageMs: Partial<Record<SessionState, number>> = {};
  #stage: SessionState | null = null;
  #stageSince: number;
  #method: AuthMethod | null = null;
  #attempts = 0;
  #callout: SessionRecord["callout"] = null;
  #upstreamTls: TlsFacts | null = null;
  #upstreamFailure: SessionRecord["upstreamFailure"] = null;
  #reversePath: string | null = null;
  #recipientsAccepted = 0;
  #recipientsRefused = 0;
  #messagesAccepted = 0;
  #messagesFailed = 0;
  #reply: LastReply = null;
  #queueId: string | null = null;

  constructor(access: AccessLog, context: SessionContext, startedAt: number) {
    this.#access = access;
    this.#context = context;
    this.#peer = context.client;
    this.#startedAt = this.#stageSince = startedAt;
  }

  /** The session goes on in another stage. */
  enter(stage: SessionState, now: number): void {
    this.#leaveStage(now);
    this.#stage = stage;
  }

  /** The callout is asked. */
  asked(question: ClientQuestion): void {
    this.#method = question.method;
    this.#attempts = question.attempt;
    if (question.envelope !== null) this.#reversePath = reversePathOf(question.envelope.mail);
  }

  answered(answer: AuthAnswer): void {
    this.#callout = { outcome: answer.kind, code: answer.kind === "failed" ? answer.code : null };
  }

  /** The mail server is ready. */
  opened(tls: TlsFacts | null): void {
    this.#upstreamTls = tls;
  }

  /** The mail server could not be opened. */
  notOpened(stage: string, code: string, reply: LastReply): void {
    this.#upstreamFailure = { stage, code };
    this.#reply = reply;
  }

  message(record: MessageRecord): void {
    if (record.outcome === "accepted") this.#messagesAccepted++;
    else this.#messagesFailed++;
    this.#recipientsAccepted += record.recipientsAccepted;
    this.#recipientsRefused += record.recipientsRefused;
    this.#reversePath = record.reversePath;
    this.#reply = record.reply ?? this.#reply;
    this.#queueId = record.queueId ?? this.#queueId;
    this.#access.message(this.#context, record);
  }

  end({ outcome, now, tls, relayed, helo, clientHost }: SessionEnd): void {
    this.#leaveStage(now);
    this.#access.session({
      context: this.#context,
      outcome,
      relayEndedBy: relayed?.endedBy ?? null,
      stage: this.#stage ?? "command",
      seconds: (now - this.#startedAt) / 1000,
      stageSeconds: this.#stageSeconds(),
      peer: this.#context.client === this.#peer ? null : this.#peer,
      clientHost,
      helo: helo === "" ? null : helo,
      tls,
      method: this.#method,
      attempts: this.#attempts,
      callout: this.#callout,
      upstreamTls: this.#upstreamTls,
      upstreamFailure: this.#upstreamFailure,
      reversePath: this.#reversePath,
      recipientsAccepted: this.#recipientsAccepted,
      recipientsRefused: this.#recipientsRefused,
      messagesAccepted: this.#messagesAccepted,
      messagesFailed: this.#messagesFailed,
      octetsToUpstream: relayed?.octetsToUpstream ?? 0,
      octetsToClient: relayed?.octetsToClient ?? 0,
      reply: this.#reply,
      queueId: this.#queueId,
    });
  }

  #leaveStage(now: number): void {
    if (this.#stage !== null) {
      this.#stageMs[this.#stage] = (this.#stageMs[this.#stage] ?? 0) + now - this.#stageSince;
    }
    this.#stageSince = now;
  }

  #stageSeconds(): Partial<Record<SessionState, number>> {
    const seconds: Partial<Record<SessionState, number>> = {};
    for (const stage in this.#stageMs) {
      seconds[stage as SessionState] = this.#stageMs[stage as SessionState]! / 1000;
    }
    return seconds;
  }
}

/** What stands between the angle brackets of a MAIL command, or what stands in their place. */
function reversePathOf(mail: string): string {
  const behind = mail.slice(mail.indexOf(":") + 1).trim();
  return /^<([^>]*)>/.exec(behind)?.[1] ?? behind;
}
