/**
 * The question "who is this, and which mail server serves him", and its answers.
 *
 * Text that came from the wire is held as *byte strings*: one UTF-16 unit per octet, 0x00-0xFF
 * (`src/bytes/latin1.ts`), so that nothing is lost or changed on its way into the request.
 *
 * @module
 */
import type { EndSignal } from "./end_signal.ts";
import type { SocketAddress, TlsFacts } from "./transport.ts";

/** SASL mechanism as the callout names it; `none` is MAIL/RCPT without authentication (`smtp_auth none`). */
export type AuthMethod = "plain" | "cram-md5" | "external" | "none" | "xoauth2" | "oauthbearer";

/** Addresses of a PROXY protocol header (`Proxy-Protocol-*` headers). */
export interface ProxyProtocolFacts {
  readonly source: { readonly host: string; readonly port: number };
  readonly destination: { readonly host: string; readonly port: number };
}

/** One question to an {@linkcode AuthBackend}. */
export interface AuthQuestion {
  readonly method: AuthMethod;
  /** Login as a byte string; empty for `none`. */
  readonly user: string;
  /** Password, CRAM-MD5 digest or bearer token as a byte string; empty for `none` and `external`. */
  readonly secret: string;
  /** CRAM-MD5 challenge with angle brackets, else null. */
  readonly salt: string | null;
  /** 1 for the first question of the session, then one more each time. */
  readonly attempt: number;
  /** Client after `set_real_ip_from`. A Unix client has host `unix:` and port 0. */
  readonly client: { readonly host: string; readonly port: number };
  /** Local address the client connected to. */
  readonly server: SocketAddress;
  /** Client's host name, or `[UNAVAILABLE]` / `[TEMPUNAVAIL]` (spec §2.8). */
  readonly clientHost: string;
  /** Null when no PROXY header with addresses was read. */
  readonly proxyProtocol: ProxyProtocolFacts | null;
  /** HELO/EHLO argument, MAIL and RCPT lines as typed; for method `none` only, else null. */
  readonly envelope: { readonly helo: string; readonly mail: string; readonly rcpt: string } | null;
  /** Null when the client's connection is plain. */
  readonly tls: TlsFacts | null;
  /** Id of the session, as in every log line. */
  readonly sessionId: string;
  /** Span that the question belongs to (W3C Trace Context), or null where nothing is traced. */
  readonly traceparent: string | null;
}

/** TLS towards the mail server (`proxy_ssl`). */
export type UpstreamTlsMode = "off" | "starttls" | "on";
/** XCLIENT towards the mail server (`xclient`). */
export type XclientMode = "off" | "on" | "nginx";
/** PROXY header towards the mail server (`proxy_protocol`). */
export type ProxyProtocolMode = "off" | "v1" | "v2";
/** Mechanism for AUTH towards the mail server; `on` takes what fits of the offered ones. */
export type UpstreamAuthMode = "off" | "on" | "plain" | "login" | "xoauth2" | "oauthbearer";

/** What the answer decides for this login instead of the server's configuration; null leaves it. */
export interface UpstreamChoices {
  readonly tls: UpstreamTlsMode | null;
  readonly auth: UpstreamAuthMode | null;
  readonly xclient: XclientMode | null;
  readonly proxyProtocol: ProxyProtocolMode | null;
}

/** Answer to an {@linkcode AuthQuestion}. */
export type AuthAnswer =
  | {
    readonly kind: "accepted";
    /** Mail servers in the order in which they are to be tried. */
    readonly upstreams: readonly [SocketAddress, ...SocketAddress[]];
    /** Replaces the login (`Auth-User`), or null. */
    readonly user: string | null;
    /** Replaces the password (`Auth-Pass`), or null. */
    readonly secret: string | null;
    readonly choices: UpstreamChoices;
  }
  | {
    readonly kind: "refused";
    /** Text of the reply (`Auth-Status`), free of CR, LF and NUL. */
    readonly text: string;
    /** `Auth-Error-Code` such as `454 4.7.0`, or null for the default `535 5.7.0`; already validated. */
    readonly code: string | null;
    /** `Auth-Wait` in milliseconds; 0 or null means: reply at once and close. */
    readonly waitMs: number | null;
    /** `Auth-Error-SASL`: base64 for the 334 that precedes the failure (RFC 7628 §3.2.2), or null. */
    readonly saslChallenge: string | null;
  }
  | {
    /** The service was down, slow, or answered nonsense: a temporary failure. */
    readonly kind: "failed";
    readonly code: AuthFailureCode;
    /** For the log: what was expected and what came. Never has credentials. */
    readonly reason: string;
    /** For the log too: the value that was wrong, where there was one. */
    readonly got?: string;
    /** For the log too: the service that was asked last, where there are several. */
    readonly server?: string;
  };

/** Stable codes of a failed callout, for logs and metrics. */
export type AuthFailureCode =
  | "connect"
  | "timeout"
  | "tls"
  | "closed"
  | "invalid_response"
  | "invalid_header"
  | "too_large"
  | "status"
  | "no_status"
  | "no_server"
  | "invalid_server"
  | "invalid_port"
  | "invalid_choice"
  | "wait"
  | "circuit_open"
  | "aborted";

/** Decides about logins. Implementations live in `src/auth/`. */
export interface AuthBackend {
  /**
   * Answers a question. Never rejects: what goes wrong is an answer of kind `failed`. `signal` aborts when the
   * session ends before the answer is there.
   */
  ask(question: AuthQuestion, signal: EndSignal): Promise<AuthAnswer>;
  /** Says that the answer to a question turned out to be of no use, for a backend that remembers answers. */
  forget?(question: AuthQuestion): void;
  /** Drops all answers that let somebody in: mailboxes have moved. */
  forgetAll?(): void;
  /** Releases idle connections. Idempotent. */
  close(): void;
}
