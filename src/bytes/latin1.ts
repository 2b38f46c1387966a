/**
 * Byte strings: text that holds one octet, 0x00-0xFF, per UTF-16 unit.
 *
 * @module
 */

/**
 * Longest run handed to `String.fromCharCode` at once; arguments go over the stack, which is not endless.
 */
const CHUNK_OCTETS = 4096;
/** What is no longer is put together octet by octet, which takes less than a view of it: V8 copies such short strings. */
const SHORT_OCTETS = 12;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Characters that could forge or garble a line of a log: controls, invisible formatting, line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Turns a byte string into octets. A unit above 0xFF becomes `?`: cutting it down to its low octet would let
 * U+010A become a line feed.
 */
export function encodeLatin1(text: string): Uint8Array {
  return encodeLatin1Into(text, new Uint8Array(text.length));
}

/**
 * Does the same into the beginning of `buffer`, and returns that part of it; into octets of its own where `buffer` is
 * too short. For what is written and forgotten: an array made for each write costs more than the octets in it.
 */
export function encodeLatin1Into(text: string, buffer: Uint8Array): Uint8Array {
  const octets = text.length;
  if (octets > buffer.length) return encodeLatin1(text);
  for (let i = 0; i < octets; i++) {
    const unit = text.charCodeAt(i);
    buffer[i] = unit <= 0xff ? unit : 0x3f;
  }
  return partOf(buffer, 0, octets);
}

/**
 * Turns octets into a byte string, from `start` to before `end`. (`TextDecoder("latin1")` is no help: it is
 * windows-1252 and changes 0x80-0x9F.)
 */
export function decodeLatin1(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  if (end - start <= SHORT_OCTETS) return decodeShort(bytes, start, end);
  if (end - start <= CHUNK_OCTETS) return decodeChunk(bytes, start, end);
  let text = "";
  for (let from = start; from < end; from += CHUNK_OCTETS) {
    text += decodeChunk(bytes, from, Math.min(from + CHUNK_OCTETS, end));
  }
  return text;
}

function decodeShort(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end && i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function decodeChunk(bytes: Uint8Array, start: number, end: number): string {
  const part = partOf(bytes, start, end);
  // `apply` takes any array-like; the declared type knows only number[].
  return String.fromCharCode.apply(null, part as unknown as number[]);
}

/** The octets from `start` to before `end` where they lie: `bytes` itself where that is all, as views are not free. */
export function partOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}

/** Joins octets into one new array. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The UTF-8 octets of ordinary text, as a byte string. */
export function encodeUtf8AsByteString(text: string): string {
  return decodeLatin1(utf8Encoder.encode(text));
}

/**
 * A byte string made fit for people and logs: read as UTF-8 where it is valid UTF-8, else as Latin-1; characters
 * that do not print appear as `\xNN`, above 0xFF as `\u{NNNN}`. Not reversible.
 */
export function displayText(byteString: string): string {
  return decodeUtf8(byteString).replace(UNPRINTABLE, escapeCharacter);
}

/** {@linkcode displayText} in quotes that the text cannot end: its own quotes appear as `\x22`. */
export function quoteText(byteString: string): string {
  return `"${displayText(byteString).replaceAll('"', "\\x22")}"`;
}

function decodeUtf8(byteString: string): string {
  for (let i = 0; i < byteString.length; i++) {
    if (byteString.charCodeAt(i) < 0x80) continue;
    try {
      return utf8Decoder.decode(encodeLatin1(byteString));
    } catch {
      // Not UTF-8, which is an answer and no failure.
      return byteString;
    }
  }
  return byteString;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16).toUpperCase();
  return code <= 0xff ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}
