/**
 * What is told of every session and of every message when it is over (`access_log`).
 *
 * Text that came from peers is held as byte strings; credentials are not in here.
 *
 * @module
 */
import type { AuthMethod } from "./auth_backend.ts";
import type {
  AuthOutcome,
  MessageRecord,
  SessionContext,
  SessionOutcome,
  SessionState,
} from "./telemetry.ts";
import type { TlsFacts } from "./transport.ts";

/** One session that is over. What was never known is null. */
export interface SessionRecord {
  readonly context: SessionContext;
  readonly outcome: SessionOutcome;
  /** Who ended the relay first, or null when there was none. */
  readonly relayEndedBy: "client" | "upstream" | null;
  /** Where the session was when it ended. */
  readonly stage: SessionState;
  /** From accept to close. */
  readonly seconds: number;
  /** How long it was in each stage, all visits together; no key for where it never was. */
  readonly stageSeconds: Readonly<Partial<Record<SessionState, number>>>;
  /** The other end of the connection, where a PROXY header named another client. */
  readonly peer: { readonly host: string; readonly port: number } | null;
  /** Where a `resolver` was asked. */
  readonly clientHost: string | null;
  /** Argument of the last HELO or EHLO. */
  readonly helo: string | null;
  readonly tls: TlsFacts | null;
  /** Of the last question to the callout. */
  readonly method: AuthMethod | null;
  /** Questions to the callout. */
  readonly attempts: number;
  /** The last answer of the callout, with the code of its failure. */
  readonly callout: { readonly outcome: AuthOutcome; readonly code: string | null } | null;
  /** TLS with the mail server. */
  readonly upstreamTls: TlsFacts | null;
  /** Where and how opening the mail server failed. */
  readonly upstreamFailure: { readonly stage: string; readonly code: string } | null;
  /** Reverse-path of the last message; with method `none` of the one that the callout was asked about. */
  readonly reversePath: string | null;
  /** Of all messages. */
  readonly recipientsAccepted: number;
  readonly recipientsRefused: number;
  /** Messages that the mail server took, and all others. */
  readonly messagesAccepted: number;
  readonly messagesFailed: number;
  readonly octetsToUpstream: number;
  readonly octetsToClient: number;
  /** The mail server's reply that made it fail, or the final one to the last message. */
  readonly reply: { readonly code: number; readonly text: string } | null;
  /** Of the last message that was accepted. */
  readonly queueId: string | null;
}

/** Where sessions and messages are told of. None of its methods throws. */
export interface AccessLog {
  session(record: SessionRecord): void;
  message(session: SessionContext, record: MessageRecord): void;
}
