/**
 * What the rest of Postern tells the outside: log events and counters.
 *
 * @module
 */

export type LogLevel = "debug" | "info" | "notice" | "warn" | "error" | "crit" | "alert" | "emerg";

/** Values are written as they are: a caller never passes credentials. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** What every line about a session carries. The driver keeps one per connection up to date. */
export interface SessionContext {
  /** Random id of the session, also sent to the callout as `Auth-Session`. */
  readonly id: string;
  /** Counts connections of the process, from 1 (nginx's `*N`). */
  readonly connection: number;
  /** Client address and port after `set_real_ip_from`; `unix:` for Unix sockets. */
  client: { readonly host: string; readonly port: number };
  /** Listener, as `address:port`. */
  readonly listener: string;
  /** What is being done, e.g. `in auth state` (spec §4.8). */
  doing: string;
  /** Whether TLS came by STARTTLS. */
  starttls: boolean;
  /** Login as a byte string once one is known. */
  login: string | null;
  /** Mail server, as `address:port`. */
  upstream: string | null;
}

/**
 * Names of events are stable: `snake_case`, listed in README. `message` is for people.
 */
export interface Log {
  /** Whether lines of this level are written by anyone: ask before building costly fields. */
  enabled(level: LogLevel): boolean;
  event(
    level: LogLevel,
    event: string,
    message: string,
    session: SessionContext | null,
    fields?: LogFields,
  ): void;
}

/** How a session ended, a closed set; `src/telemetry/endings.ts` says of each what it means. */
export type SessionOutcome =
  | "relayed" // a relay ran and ended by either side
  | "quit" // QUIT before a relay
  | "client_closed" // end of stream or reset before a relay
  | "timeout"
  | "too_many_errors"
  | "too_many_commands"
  | "pipelining" // the client did not wait for a reply that it had to wait for
  | "not_smtp" // the client spoke something else
  | "early_talker"
  | "line_too_long"
  | "proxy_header"
  | "denied" // by `access`
  | "limited" // by a limit, or the store of limits is away and decides so
  | "tls_failed"
  | "tls_refused" // ssl_max_handshakes
  | "certificate" // ssl_verify_client refused it
  | "refused" // the callout said no, and to close
  | "auth_unavailable" // the callout failed
  | "upstream_failed"
  | "relay_lost" // either connection was reset in a relay
  | "relay_timeout"
  | "relay_refused" // the guard ended the relay over what the client did in it
  | "shutdown"
  | "dismissed" // an operator ended it
  | "internal_error";

/** Which side ended a session. */
export type EndingSide = "client" | "upstream" | "postern";

export type AuthOutcome = "accepted" | "refused" | "failed";

/** How a message ended that a client offered in a relay. */
export type MessageOutcome =
  | "accepted" // the mail server took responsibility for it
  | "rejected" // the mail server refused it
  | "refused" // Postern refused it
  | "aborted"; // the connection ended, or was ended, before the mail server's final reply

/** Why the guard of a relay refused a command or a message, a closed set for metrics. */
export type GuardRefusal =
  | "bare_newline" // a CR or an LF of its own
  | "smuggling" // what a mail server might take for the end of the data and is not
  | "nul"
  | "line_too_long" // a command, or a line of a message where smtp_long_line refuses it
  | "message_too_large"
  | "too_many_recipients"
  | "too_many_messages"
  | "data_timeout"
  | "data_too_slow"
  | "command" // STARTTLS, AUTH, XCLIENT and what the mail server must not hear from clients
  | "limit"; // limits of messages or recipients, by address or user

/** One message of a relay, as the guard saw it. Text from peers is held as byte strings. */
export interface MessageRecord {
  readonly outcome: MessageOutcome;
  /** Counts messages of the session, from 1. */
  readonly number: number;
  /** Between the angle brackets of MAIL FROM; empty for the null reverse-path. */
  readonly reversePath: string;
  readonly recipientsAccepted: number;
  readonly recipientsRefused: number;
  /** Octets of content that the client sent, dots as they stood on the wire, without the end-of-data line. */
  readonly octets: number;
  /** The final reply that the client heard, or null when there was none. */
  readonly reply: { readonly code: number; readonly text: string } | null;
  /** Name of the message in the mail server's final reply, or null when none was recognised. */
  readonly queueId: string | null;
  /** Why Postern refused it; else null. */
  readonly refusal: GuardRefusal | null;
  /** From MAIL to the final reply. */
  readonly seconds: number;
}

/** Where a session is, client and mail server taken together. */
export type SessionState =
  | "proxy_header"
  | "admitting"
  | "handshake"
  | "resolving"
  | "greeting_delay"
  | "command"
  | "asking"
  | "waiting"
  | "connecting"
  | "relaying";

/** Counters with one label or several; `src/telemetry/counters.ts` says what they are. */
export type CounterName =
  | "messages"
  | "recipients"
  | "guard_refusals"
  | "callout_failures"
  | "callout_failovers"
  | "callout_service_changes"
  | "callout_circuit"
  | "auth_cache"
  | "upstream_failures"
  | "upstream_failovers"
  | "upstream_rests"
  | "tls_sessions"
  | "tls_server_names"
  | "tls_refused"
  | "not_smtp"
  | "log_lines_dropped"
  | "limit_hits"
  | "login_backoff"
  | "limit_store"
  | "limit_forgotten";

/** What is measured into buckets; `src/telemetry/histograms.ts` says what they are. */
export type HistogramName =
  | "session_duration_seconds"
  | "tls_handshake_duration_seconds"
  | "callout_duration_seconds"
  | "upstream_connect_duration_seconds"
  | "upstream_open_duration_seconds"
  | "relay_duration_seconds"
  | "message_duration_seconds"
  | "message_size_bytes";

/** Counters and gauges. Labels come from closed sets, never from peer text. */
export interface Metrics {
  /** Adds `by`, 1 by default, to a counter; `label` comes from a closed set, several are joined by `|`. */
  count(counter: CounterName, label: string, by?: number): void;
  /** Puts one measured value into its bucket. */
  observe(histogram: HistogramName, value: number): void;
  /** A session begins (`from` null), goes on to another state, or ends (`to` null). */
  moved(from: SessionState | null, to: SessionState | null): void;
  connectionOpened(listener: string): void;
  connectionClosed(listener: string, outcome: SessionOutcome, seconds: number): void;
  /** `verb` is a known SMTP verb in upper case, or `other`. */
  command(verb: string, code: number): void;
  tlsHandshake(side: "client" | "upstream", ok: boolean): void;
  auth(method: string, outcome: AuthOutcome, seconds: number): void;
  /** `stage` is the label of the upstream phase in which it ended, or `ready`. */
  upstream(ok: boolean, stage: string, seconds: number): void;
  relayed(direction: "to_upstream" | "to_client", octets: number): void;
}
