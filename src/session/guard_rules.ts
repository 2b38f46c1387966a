import type { Capabilities } from "../grammar/ehlo.ts";
import type { DataFault, DataPolicy } from "../grammar/data_framer.ts";
import type { RelayedVerb } from "../grammar/relayed_command.ts";
import type { GuardRefusal, MessageRecord } from "../ports/telemetry.ts";
import type { UpstreamFaultCode } from "./reply_order.ts";
import type { GuardReplies, SpokenReply } from "./replies.ts";

/** What the configuration fixes for the guard of all relays of a server. */
export interface GuardRules {
  readonly data: DataPolicy;
  /** Most recipients of one message, and messages of one session; `Infinity` for no limit. */
  readonly maxRecipients: number;
  readonly maxMessages: number;
  /** Commands that cannot be understood, after which the session ends; one at least. */
  readonly maxErrors: number;
  /** Longest command line with its end, and longest line of a reply, in octets. */
  readonly commandOctets: number;
  readonly replyOctets: number;
  /** Keywords of EHLO that Postern announces, in upper case. */
  readonly announced: ReadonlySet<string>;
  /** Lines of the reply to an EHLO in the relay, by what the mail server offers; the first is the server's name. */
  readonly ehlo: (offered: Capabilities) => readonly string[];
  readonly replies: GuardReplies;
}

/** Where a relay begins. */
export interface GuardStart {
  /** What the mail server announced; empty when it was greeted with HELO. */
  readonly offered: Capabilities;
  /** What was said to the mail server already where it was MAIL and one RCPT (method `none`), else null. */
  readonly envelope: {
    /** As typed, and accepted. */
    readonly mail: string;
    readonly rcptCode: number;
  } | null;
  /** Whether somebody is asked about every message and recipient. */
  readonly asks: boolean;
}

/** Why the content of a message must not go on. */
export type ContentRefusal = DataFault | "data_timeout" | "data_too_slow";

/** What is to be told of a relay, in order. */
export type GuardNote =
  | { readonly kind: "command"; readonly verb: RelayedVerb; readonly code: number }
  | { readonly kind: "message"; readonly record: MessageRecord }
  | { readonly kind: "refused"; readonly reason: GuardRefusal; readonly reply: SpokenReply }
  /** The mail server did what it must not; `got` is what it said, a byte string. */
  | {
    readonly kind: "upstream_fault";
    readonly code: UpstreamFaultCode;
    readonly got: string;
  };

/** What has to be decided before the client's next command can be looked at. */
export type GuardQuestion =
  | { readonly kind: "message"; readonly path: string }
  | { readonly kind: "recipient"; readonly path: string };
