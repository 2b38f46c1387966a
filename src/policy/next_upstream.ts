/**
 * Whether another mail server may be tried after one has failed.
 *
 * @module
 */

/** How a try ended, as far as it matters here. */
export interface FailedTry {
  /** Stable code of the failure. */
  readonly code: string;
  /** Whom the failure may be about: the server alone, as long as it was told nothing of the client. */
  readonly about: "server" | "client";
  /** Code of the server's reply, or null when it failed without one. */
  readonly reply: number | null;
}

export interface NextUpstreamDecision {
  /** Whether the next server may be tried. */
  readonly next: boolean;
  /** Whether this one is to be left alone for a while: no client must be able to bring that about. */
  readonly rest: boolean;
}

/** No other server would do better. */
const FINAL = new Set(["aborted", "no_password", "bad_credentials"]);
/** What depends on the login and its answer too, and says nothing of the server's health. */
const OF_THIS_LOGIN = new Set(["auth_not_offered", "plaintext_auth", "xclient_not_offered", "own_listener"]);
/** A handshake fails without a word about the client. */
const OF_TLS = new Set(["tls", "certificate"]);

/**
 * The next server is tried only while nothing was decided about the client (RFC 5321 §5.1 does so among the hosts of
 * a domain): after a lost or refused connection, a failed handshake, a temporary refusal, or any refusal before the
 * server knew of the client; never after a permanent one to XCLIENT, AUTH, MAIL or RCPT.
 */
export function decideOnNext({ code, about, reply }: FailedTry): NextUpstreamDecision {
  if (FINAL.has(code)) return { next: false, rest: false };
  if (OF_THIS_LOGIN.has(code)) return { next: true, rest: false };
  if (OF_TLS.has(code) || about === "server") return { next: true, rest: true };
  if (reply !== null) return { next: reply >= 400 && reply < 500, rest: false };
  // What cannot be understood may have been a decision.
  return { next: code !== "malformed" && code !== "too_long", rest: false };
}
