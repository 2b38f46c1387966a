/**
 * What a mail server announces in its reply to EHLO (RFC 5321 §4.1.1.1).
 *
 * @module
 */
import type { Reply } from "./reply.ts";

/** Parameters as typed, by keyword in upper case. */
export type Capabilities = ReadonlyMap<string, readonly string[]>;

/** `ehlo-keyword`, then parameters; `=` instead of SP after AUTH is what servers write for old clients. */
const EHLO_LINE = /^(?:(AUTH)=|([A-Z0-9][A-Z0-9-]*)(?= |$))(.*)$/is;

/**
 * Reads the lines behind the greeting. A keyword that stands in several lines (`AUTH` and `AUTH=` often do) has the
 * parameters of all; a line that is no `ehlo-line` is passed over.
 */
export function parseEhlo(reply: Reply): Capabilities {
  const capabilities = new Map<string, string[]>();
  for (const line of reply.lines.slice(1)) {
    const match = EHLO_LINE.exec(line);
    if (match === null) continue;
    const keyword = (match[1] ?? match[2] ?? "").toUpperCase();
    const known = capabilities.get(keyword) ?? [];
    const given = (match[3] ?? "").split(" ").filter((parameter) => parameter !== "");
    capabilities.set(keyword, [...known, ...given.filter((parameter) => !known.includes(parameter))]);
  }
  return capabilities;
}
