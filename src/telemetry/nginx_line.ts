/**
 * One log event as a line of nginx's error log (spec §4.8).
 *
 * @module
 */
import type { SessionContext } from "../ports/telemetry.ts";
import { readable } from "./json_text.ts";
import type { NginxEntry } from "./nginx_events.ts";

/** Longest message in characters. nginx cuts a line at 2048 octets, and the client's address off with the rest. */
const MESSAGE_UNITS = 1_500;
/** Longest login in characters. */
const LOGIN_UNITS = 320;

/**
 * Formats a line, line end included: `2026/11/23 15:04:05 [info] PID#TID: *CONN message while doing, client: IP,
 * server: LISTEN, login: "L", upstream: IP:PORT`. What does not print is escaped, where nginx lets a login or a
 * reply with a line end in it forge lines.
 */
export function formatNginxLine(
  timestamp: string,
  process: string,
  { level, message, doing, suffix }: NginxEntry,
  session: SessionContext | null,
): string {
  let line = `${timestamp} [${level}] ${process}: `;
  if (session !== null) line += `*${session.connection} `;
  line += printable(message, MESSAGE_UNITS);
  if (session === null || !suffix) return line + "\n";
  if (doing !== null) line += ` while ${doing}`;
  line += `, client: ${session.client.host}`;
  if (session.starttls) line += " using starttls";
  line += `, server: ${session.listener}`;
  // nginx names the mail server only where it has named the login.
  if (session.login !== null && session.login !== "") {
    line += `, login: "${quotable(session.login)}"`;
    if (session.upstream !== null) line += `, upstream: ${session.upstream.replace(/[[\]]/g, "")}`;
  }
  return line + "\n";
}

/** Characters that could forge or garble a line: controls, invisible formatting, line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function printable(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}...` : text;
  return readable(cut).replace(UNPRINTABLE, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}

/** A login cannot end its own quotation, and so not claim to be another client's. */
function quotable(login: string): string {
  return printable(login, LOGIN_UNITS).replaceAll('"', "\\x22");
}
