/**
 * Recognises clients that speak another protocol than SMTP: so that nothing of what they send is taken for commands.
 *
 * @module
 */

/** What speaks here instead of SMTP. */
export type ForeignProtocol =
  | "tls" // a record of TLS where plain text is spoken
  | "http"
  | "ssh"
  | "proxy" // a PROXY protocol header where none is expected
  | "header" // a header line of a message or of HTTP
  | "binary";

/** A record of the handshake protocol (RFC 8446 §5.1); no SMTP command begins so. */
const TLS_HANDSHAKE = "\x16";

/**
 * By how a line begins. HTTP's methods are those of RFC 9110 §9 and PATCH; none is a command of SMTP. A header line has
 * no space before its colon, and a command has one before its first argument (RFC 5321 §2.4).
 */
const LINES: readonly (readonly [ForeignProtocol, RegExp])[] = [
  ["http", /^(?:CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PRI|PUT|TRACE) /i],
  ["proxy", /^PROXY (?:TCP4|TCP6|UNKNOWN)(?:[ \r]|$)/],
  ["ssh", /^SSH-\d/],
  ["header", /^[A-Za-z][A-Za-z0-9-]*:/],
];

/**
 * What a line that is no command belongs to, or null when it is only a bad command. `line` is without its end, or the
 * beginning of what has come.
 */
export function foreignProtocol(line: string): ForeignProtocol | null {
  if (beginsBinary(line.charCodeAt(0))) return line[0] === TLS_HANDSHAKE ? "tls" : "binary";
  return LINES.find(([, pattern]) => pattern.test(line))?.[0] ?? null;
}

/** Whether no line of text begins with this octet: control octets but TAB, CR and LF, and all above ASCII. */
export function beginsBinary(octet: number): boolean {
  return octet < 0x20 ? octet >= 0 && octet !== 0x09 && octet !== 0x0a && octet !== 0x0d : octet >= 0x7f;
}
