/**
 * The formats of the access log: one line for a session or a message.
 *
 * @module
 */
import type { SessionRecord } from "../ports/access_log.ts";
import type { LogFields, LogLevel, MessageRecord, SessionContext } from "../ports/telemetry.ts";
import { type AccessValue, messageFields, type PutField, sessionFields } from "./access_fields.ts";
import { endingSide } from "./endings.ts";
import { formatLine } from "./json_line.ts";
import { jsonString } from "./json_text.ts";

/** One format. Lines have their end; `stamp` is ISO 8601; `worker` is null for the first thread. */
export interface AccessFormat {
  session(stamp: string, record: SessionRecord, worker: number | null): string;
  message(stamp: string, session: SessionContext, record: MessageRecord, worker: number | null): string;
  /** What the log has to say of itself. */
  own(stamp: string, level: LogLevel, event: string, message: string, fields?: LogFields): string;
}

/** One JSON object, with the keys `ts`, `level` and `event` of the structured log in front. */
const json: AccessFormat = {
  session: (stamp, record, worker) =>
    jsonLine(stamp, "session_closed", worker, (put) => sessionFields(record, put)),
  message: (stamp, session, record, worker) =>
    jsonLine(stamp, "message", worker, (put) => messageFields(session, record, put)),
  own: (stamp, level, event, message, fields) => formatLine(stamp, level, event, message, null, fields),
};

/** For people: what happened, then `name=value`, quoted as in JSON where there is more than plain characters. */
const text: AccessFormat = {
  session(stamp, record, worker) {
    const { outcome, relayEndedBy, seconds } = record;
    const head = `${stamp} session ${outcome}, ended by ${
      endingSide(outcome, relayEndedBy)
    } after ${seconds}s:`;
    return textLine(head, worker, (put) => sessionFields(record, put));
  },
  message(stamp, session, record, worker) {
    const { number, outcome, seconds } = record;
    const head = `${stamp} message ${number} ${outcome} after ${seconds}s:`;
    return textLine(head, worker, (put) => messageFields(session, record, put));
  },
  own: (stamp, level, event, message, fields) =>
    textLine(`${stamp} ${level} ${message}:`, null, (put) => {
      put("event", event);
      for (const [name, value] of Object.entries(fields ?? {})) put(name, value ?? "");
    }),
};

/** By the name in the configuration. */
export const ACCESS_FORMATS = { json, text } as const;

function jsonLine(
  stamp: string,
  event: string,
  worker: number | null,
  tell: (put: PutField) => void,
): string {
  let line = `{"ts":"${stamp}","level":"info","event":"${event}"`;
  if (worker !== null) line += `,"worker":${worker}`;
  tell((name, value) => {
    line += `,"${name}":${typeof value === "string" ? jsonString(value) : JSON.stringify(value)}`;
  });
  return line + "}\n";
}

/** Fields that the head of a line in text tells already. */
const IN_HEAD: ReadonlySet<string> = new Set(["outcome", "side", "seconds", "message"]);

function textLine(head: string, worker: number | null, tell: (put: PutField) => void): string {
  let line = head;
  if (worker !== null) line += ` worker=${worker}`;
  tell((name, value) => {
    if (!IN_HEAD.has(name)) line += ` ${name}=${textValue(value)}`;
  });
  return line + "\n";
}

/** Printable ASCII without a blank, a quotation mark or a backslash. */
const BARE = /^[!#-[\]-~]+$/;

function textValue(value: AccessValue): string {
  if (typeof value === "string") return BARE.test(value) ? value : jsonString(value);
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, number]) => `${name}:${number}`).join(",");
}
