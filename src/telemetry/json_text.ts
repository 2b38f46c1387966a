/**
 * Text of unknown origin as JSON strings that cannot break out of their line.
 *
 * @module
 */

const PLAIN = /^[\x20-\x7e]*$/;
// deno-lint-ignore no-control-regex
const OCTETS = /^[\x00-\xff]*$/;
/**
 * What JSON leaves as it is and a terminal or a log reader may obey: DEL and the C1 controls, the line ends of
 * Unicode, and the marks that turn the direction of writing.
 */
const UNSAFE = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Formats `text` as a JSON string. A byte string whose octets are valid UTF-8 is shown as that text, any other
 * text as it is; controls of every kind become `\uXXXX`.
 */
export function jsonString(text: string): string {
  if (PLAIN.test(text)) return JSON.stringify(text);
  return JSON.stringify(readable(text)).replace(UNSAFE, escapeUnit);
}

/** A byte string whose octets are valid UTF-8 as that text, any other text as it is. */
export function readable(text: string): string {
  if (PLAIN.test(text)) return text;
  if (!OCTETS.test(text)) return text;
  try {
    return utf8.decode(Uint8Array.from(text, (unit) => unit.charCodeAt(0)));
  } catch {
    // Not UTF-8: shown as latin1, which is what a byte string is already.
    return text;
  }
}

function escapeUnit(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}
