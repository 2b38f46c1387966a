/**
 * Command lines of SMTP as nginx's parser takes them apart (spec §2.2).
 *
 * @module
 */

/** The commands that have a meaning before the relay begins. */
export type Verb =
  | "HELO"
  | "EHLO"
  | "QUIT"
  | "AUTH"
  | "NOOP"
  | "MAIL"
  | "RSET"
  | "RCPT"
  | "VRFY"
  | "EXPN"
  | "HELP"
  | "STARTTLS";

/** A command line taken apart. */
export interface Command {
  readonly verb: Verb;
  /** Arguments as typed; any octet but CR, LF and space may be in them. */
  readonly args: readonly string[];
  /** From the verb to the last octet of the last argument, as typed: spaces at the end are gone (spec §2.4.1). */
  readonly text: string;
}

const SPACE = 0x20;
const MAX_ARGUMENTS = 11;

const VERBS: ReadonlyMap<string, Verb> = new Map(
  ([
    "HELO",
    "EHLO",
    "QUIT",
    "AUTH",
    "NOOP",
    "MAIL",
    "RSET",
    "RCPT",
    "VRFY",
    "EXPN",
    "HELP",
    "STARTTLS",
  ] as const).map((verb) => [verb, verb]),
);

/**
 * Takes a line without its end apart; null when it is no command: unknown verb, space before the verb, a CR, or
 * more than 11 arguments (spec §2.2).
 */
export function parseCommand(line: string): Command | null {
  const space = line.indexOf(" ");
  const verbEnd = space < 0 ? line.length : space;
  const verb = verbEnd === 4 || verbEnd === 8 ? parseVerb(line.slice(0, verbEnd)) : null;
  if (verb === null || line.includes("\r", verbEnd)) return null;
  const args: string[] = [];
  let textEnd = verbEnd;
  let at = verbEnd;
  for (;;) {
    while (line.charCodeAt(at) === SPACE) at++;
    if (at >= line.length) break;
    if (args.length === MAX_ARGUMENTS) return null;
    const nextSpace = line.indexOf(" ", at);
    textEnd = nextSpace < 0 ? line.length : nextSpace;
    args.push(line.slice(at, textEnd));
    at = textEnd;
  }
  return { verb, args, text: textEnd === line.length ? line : line.slice(0, textEnd) };
}

function parseVerb(word: string): Verb | null {
  // Most clients type upper case. Only letters of ASCII become a verb: of all other octets only 0xDF has an upper
  // case in ASCII, and that is "SS", which no verb has.
  return VERBS.get(word) ?? VERBS.get(word.toUpperCase()) ?? null;
}

/**
 * The response in a line of a SASL dialogue: what stands before the first space, perhaps nothing. Null when there
 * is a CR in the line (spec §2.2).
 */
export function parseSaslResponse(line: string): string | null {
  if (line.includes("\r")) return null;
  const space = line.indexOf(" ");
  return space < 0 ? line : line.slice(0, space);
}
