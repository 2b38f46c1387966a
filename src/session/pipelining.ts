/**
 * Which commands a client may have sent before it heard the reply to the one before.
 *
 * @module
 */
import type { Verb } from "../grammar/command.ts";

/** How a server sees it (`smtp_reject_unauth_pipelining`). */
export type Pipelining =
  | "unchecked"
  /** Nothing may be sent ahead: PIPELINING is not announced. */
  | "forbidden"
  /** After EHLO, in the groups of RFC 2920 §3.1. */
  | "groups";

/**
 * The commands behind which others may follow in a group (RFC 2920 §3.1). STARTTLS is let pass, because what follows it
 * is thrown away, and QUIT, because nothing of it is done.
 */
const FOLLOWED: ReadonlySet<Verb> = new Set(["RSET", "MAIL", "RCPT"]);

/** Whether something may follow `verb` (null for a bad command) before its reply; `esmtp`: after EHLO. */
export function mayFollow(verb: Verb | null, esmtp: boolean, pipelining: Pipelining): boolean {
  if (pipelining === "unchecked" || verb === "QUIT" || verb === "STARTTLS") return true;
  return pipelining === "groups" && esmtp && verb !== null && FOLLOWED.has(verb);
}
