/**
 * The phases of the dialogue with the mail server, one row each: so that what is sent and what is accepted as its
 * answer cannot drift apart.
 *
 * @module
 */
import type { Reply } from "../grammar/reply.ts";

/** Phases in which a reply of the mail server is awaited. */
export type UpstreamPhase =
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "ehlo_secure"
  | "xclient"
  | "ehlo_client"
  | "helo_client"
  | "auth"
  | "auth_user"
  | "auth_password"
  | "auth_error"
  | "mail"
  | "rcpt";

export interface UpstreamPhaseRow {
  /** What is being done, for logs and metrics (spec §4.8). */
  readonly doing: string;
  /** Which reply codes let the dialogue go on (spec §4.2); null accepts every one. */
  readonly accept: readonly number[] | null;
  /**
   * Whom a refusal may be about: before the client is named it can only be the server, or Postern itself.
   */
  readonly about: "server" | "client";
  /** Whether a refusal has a second way instead of ending the dialogue. */
  readonly fallback: UpstreamPhase | null;
}

export const UPSTREAM_PHASES: Readonly<Record<UpstreamPhase, UpstreamPhaseRow>> = Object.freeze({
  greeting: { doing: "reading response from upstream", about: "server", accept: [220], fallback: null },
  // RFC 5321 §3.2: a server that refuses EHLO may know HELO.
  ehlo: { doing: "sending HELO/EHLO to upstream", about: "server", accept: [250], fallback: "helo" },
  helo: { doing: "sending HELO/EHLO to upstream", about: "server", accept: [250], fallback: null },
  starttls: { doing: "sending STARTTLS to upstream", about: "server", accept: [220], fallback: null },
  ehlo_secure: { doing: "sending HELO/EHLO to upstream", about: "server", accept: [250], fallback: null },
  xclient: { doing: "sending XCLIENT to upstream", about: "client", accept: [220, 250], fallback: null },
  ehlo_client: {
    doing: "sending client HELO/EHLO to upstream",
    about: "client",
    accept: [250],
    fallback: null,
  },
  helo_client: {
    doing: "sending client HELO/EHLO to upstream",
    about: "client",
    accept: [250],
    fallback: null,
  },
  auth: { doing: "sending AUTH to upstream", about: "client", accept: [235], fallback: null },
  auth_user: { doing: "sending AUTH to upstream", about: "client", accept: [334], fallback: null },
  auth_password: { doing: "sending AUTH to upstream", about: "client", accept: [334], fallback: null },
  auth_error: { doing: "sending AUTH to upstream", about: "client", accept: [], fallback: null },
  mail: { doing: "sending MAIL FROM to upstream", about: "client", accept: [250], fallback: null },
  // Anything: it is the answer to the client's own RCPT (spec §4.2).
  rcpt: { doing: "sending RCPT TO to upstream", about: "client", accept: null, fallback: null },
});

/** Whether `reply` lets `phase` go on. */
export function accepts(phase: UpstreamPhase, reply: Reply): boolean {
  const codes = UPSTREAM_PHASES[phase].accept;
  return codes === null || codes.includes(reply.code);
}
