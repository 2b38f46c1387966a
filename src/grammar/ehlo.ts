/**
 * What a mail server announces in its reply to EHLO (RFC 5321 §4.1.1.1).
 *
 * @module
 */
import type { Reply } from "./reply.ts";

/** Parameters as typed, by keyword in upper case. */
export type Capabilities = ReadonlyMap<string, readonly string[]>;

/** RFC 5321 §4.1.1.1: `ehlo-keyword`. */
const KEYWORD = /^[A-Z0-9][A-Z0-9-]*$/i;
const AUTH_WITH_EQUALS = /^AUTH=/i;
const NO_PARAMETERS: readonly string[] = [];

/**
 * Reads the lines behind the greeting. A keyword that stands in several lines (`AUTH` and `AUTH=` often do) has the
 * parameters of all; a line that is no `ehlo-line` is passed over.
 */
export function parseEhlo(reply: Reply): Capabilities {
  const capabilities = new Map<string, readonly string[]>();
  const { lines } = reply;
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at]!;
    const space = line.indexOf(" ");
    let word = space < 0 ? line : line.slice(0, space);
    let rest = space;
    // `=` instead of SP after AUTH is what servers write for old clients.
    if (AUTH_WITH_EQUALS.test(word)) {
      word = "AUTH";
      rest = word.length;
    }
    // Before it is put in upper case: that makes letters out of other octets.
    if (!KEYWORD.test(word)) continue;
    const keyword = word.toUpperCase();
    const given = rest < 0 ? NO_PARAMETERS : line.slice(rest + 1).split(" ").filter((word) => word !== "");
    const known = capabilities.get(keyword);
    capabilities.set(
      keyword,
      known === undefined ? given : [...known, ...given.filter((word) => !known.includes(word))],
    );
  }
  return capabilities;
}
