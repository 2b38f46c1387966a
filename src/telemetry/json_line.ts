/**
 * One log event as one line of JSON.
 *
 * @module
 */
import type { LogFields, LogLevel, SessionContext } from "../ports/telemetry.ts";
import { clientText } from "./client_text.ts";
import { jsonString } from "./json_text.ts";

/**
 * Formats a log line, line end included. Keys in this order: `ts`, `level`, `event`, `msg`, `worker` unless that is
 * null, what is known of the session (`session`, `conn`, `client`, `listener`, `doing`, `starttls`, `login`,
 * `upstream`), then `fields`, whose keys must be others.
 */
export function formatLine(
  timestamp: string,
  level: LogLevel,
  event: string,
  message: string,
  session: SessionContext | null,
  fields: LogFields | undefined,
  worker: number | null = null,
): string {
  let line = `{"ts":"${timestamp}","level":"${level}","event":${jsonString(event)},"msg":${
    jsonString(message)
  }`;
  if (worker !== null) line += `,"worker":${worker}`;
  if (session !== null) line += sessionMembers(session);
  if (fields !== undefined) line += fieldMembers(fields);
  return line + "}\n";
}

function sessionMembers(session: SessionContext): string {
  let members = `,"session":${jsonString(session.id)},"conn":${session.connection}` +
    `,"client":${jsonString(clientText(session.client))},"listener":${jsonString(session.listener)}` +
    `,"doing":${jsonString(session.doing)}`;
  if (session.starttls) members += `,"starttls":true`;
  if (session.login !== null) members += `,"login":${jsonString(session.login)}`;
  if (session.upstream !== null) members += `,"upstream":${jsonString(session.upstream)}`;
  return members;
}

function fieldMembers(fields: LogFields): string {
  let members = "";
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined) continue;
    members += `,${jsonString(key)}:${typeof value === "string" ? jsonString(value) : JSON.stringify(value)}`;
  }
  return members;
}
