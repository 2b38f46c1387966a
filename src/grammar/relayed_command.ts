/**
 * Commands of a relay, read where they lie: most of them need no text made of them.
 *
 * @module
 */
import { decodeLatin1 } from "../bytes/latin1.ts";

/** The verbs that a relay knows; `other` is all else. */
export type RelayedVerb =
  | "EHLO"
  | "HELO"
  | "MAIL"
  | "RCPT"
  | "DATA"
  | "BDAT"
  | "RSET"
  | "NOOP"
  | "QUIT"
  | "VRFY"
  | "EXPN"
  | "HELP"
  | "ETRN"
  | "AUTH"
  | "STARTTLS"
  | "XCLIENT"
  | "XFORWARD"
  | "other";

const SPACE = 0x20;
/** Sets the bit that makes lower case of letters of ASCII, and no letters of other octets. */
const LOWER = 0x20;

const FOUR: ReadonlyMap<number, RelayedVerb> = new Map(
  ([
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    "BDAT",
    "RSET",
    "NOOP",
    "QUIT",
    "VRFY",
    "EXPN",
    "HELP",
    "ETRN",
    "AUTH",
  ] as const).map((verb) => [
    [...verb].reduce((packed, letter) => packed << 8 | letter.charCodeAt(0) | LOWER, 0),
    verb,
  ]),
);
const LONG: readonly RelayedVerb[] = ["STARTTLS", "XCLIENT", "XFORWARD"];

/**
 * The verb of the line from `start` to before `end`, which has no line end. Strict: what a mail server might read
 * as a known verb all the same, behind a space or before a tab, is none.
 */
export function relayedVerb(bytes: Uint8Array, start: number, end: number): RelayedVerb {
  if (end - start === 4 || end - start > 4 && bytes[start + 4] === SPACE) {
    const packed = bytes[start]! << 24 | bytes[start + 1]! << 16 | bytes[start + 2]! << 8 | bytes[start + 3]!;
    return FOUR.get(packed | LOWER << 24 | LOWER << 16 | LOWER << 8 | LOWER) ?? "other";
  }
  const word = decodeLatin1(bytes, start, Math.min(end, start + 9)).split(" ", 1)[0]!.toUpperCase();
  return LONG.find((verb) => verb === word) ?? "other";
}

/** What a relay has to know of MAIL. */
export interface MailCommand {
  /** Between the angle brackets, as typed; without them the first word behind the colon. */
  readonly path: string;
  /** RFC 1870 §6; null when it is not said. */
  readonly size: number | null;
}

/** Reads a MAIL command, a line without its end. Never fails: what is malformed is for the mail server to refuse. */
export function readMail(line: string): MailCommand {
  const path = readPath(line);
  const size = SIZE.exec(line.slice(path.end))?.[1];
  return { path: path.text, size: size === undefined ? null : Number(size) };
}

const SIZE = / SIZE=(\d{1,20})(?= |$)/i;

/** Takes `SIZE=` out of a MAIL line, for a mail server that does not know it. */
export function withoutSize(line: string): string {
  const { end } = readPath(line);
  return line.slice(0, end) + line.slice(end).replace(SIZE, "");
}

/** The path of a RCPT command. */
export function readForwardPath(line: string): string {
  return readPath(line).text;
}

function readPath(line: string): { text: string; end: number } {
  const open = line.indexOf("<");
  if (open < 0) {
    const start = line.indexOf(":") + 1;
    const text = /^ *([^ ]*)/.exec(line.slice(start))!;
    return { text: text[1]!, end: start + text[0].length };
  }
  let quoted = false;
  for (let at = open + 1; at < line.length; at++) {
    const octet = line[at];
    // A quoted local part may have a bracket in it (RFC 5321 §4.1.2).
    if (octet === "\\" && quoted) at++;
    else if (octet === '"') quoted = !quoted;
    else if (octet === ">" && !quoted) return { text: line.slice(open + 1, at), end: at + 1 };
  }
  return { text: line.slice(open + 1), end: line.length };
}

/** Largest chunk: some servers read the number into 32 bits, and would see the end of a larger one elsewhere. */
const MAX_CHUNK_OCTETS = 2 ** 31 - 1;

/**
 * Reads `BDAT octets [LAST]` (RFC 3030 §2); null when it is malformed, or written in a way that not all servers read
 * alike: where a chunk ends must be beyond doubt.
 */
export function readBdat(line: string): { readonly octets: number; readonly last: boolean } | null {
  const match = /^.... (0|[1-9]\d{0,9})( LAST)? *$/i.exec(line);
  const octets = Number(match?.[1]);
  return match !== null && octets <= MAX_CHUNK_OCTETS ? { octets, last: match[2] !== undefined } : null;
}
