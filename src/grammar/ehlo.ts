/**
 * What a mail server announces in its reply to EHLO (RFC 5321 §4.1.1.1).
 *
 * @module
 */

/** Parameters as typed, by keyword in upper case. */
export type Capabilities = ReadonlyMap<string, readonly string[]>;

const HYPHEN = 0x2d;
const EQUALS = 0x3d;
const NO_PARAMETERS: readonly string[] = [];

/**
 * Reads the `lines` of a reply behind the greeting. A keyword that stands in several lines (`AUTH` and `AUTH=` often do)
 * has the parameters of all; a line that is no `ehlo-line` is passed over.
 */
export function parseEhlo(lines: readonly string[]): Capabilities {
  const capabilities = new Map<string, readonly string[]>();
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at]!;
    const space = line.indexOf(" ");
    let word = space < 0 ? line : line.slice(0, space);
    let rest = space;
    // `=` instead of SP after AUTH is what servers write for old clients.
    if (word.charCodeAt(4) === EQUALS && word.slice(0, 4).toUpperCase() === "AUTH") {
      word = "AUTH";
      rest = word.length;
    }
    // Before it is put in upper case: that makes letters out of other octets.
    if (!isKeyword(word)) continue;
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

/** RFC 5321 §4.1.1.1: `ehlo-keyword`. By hand: every session's mail server says some ten of them. */
function isKeyword(word: string): boolean {
  for (let at = 0; at < word.length; at++) {
    const unit = word.charCodeAt(at);
    const letter = (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;
    const digit = unit >= 0x30 && unit <= 0x39;
    if (!letter && !digit && !(unit === HYPHEN && at > 0)) return false;
  }
  return word !== "";
}
