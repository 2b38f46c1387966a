import { quoteText } from "../bytes/latin1.ts";

/** Longest beginning of a line that is shown, in octets. */
const SHOWN_OCTETS = 512;
/**
 * Commands of SMTP that hold no credentials. Whatever else begins with a word could be
 * a password: `a1 LOGIN …` of IMAP, `PASS …` of POP, a pass phrase that is said where no exchange goes on any more.
 */
const COMMAND =
  /^(?:EHLO|LHLO|HELO|MAIL|RCPT|DATA|BDAT|NOOP|RSET|QUIT|VRFY|EXPN|HELP|ETRN|STARTTLS|XCLIENT) [^\r\n]/i;
/** A browser or a scanner; the address that it asks for may hold a token. */
const HTTP_METHOD = /^(?:GET|HEAD|POST|PUT|OPTIONS|CONNECT)(?= )/;
/** Where a line end before AUTH was lost, credentials stand in the line of another command. */
const LOST_AUTH = /AUTH[ \t]|Bearer[ \t]/i;

/**
 * What a client said, in quotes and fit for a log: the beginning of its first line. A line that is no command is
 * not shown, and neither is AUTH, wherever it stands, as both may hold credentials.
 */
export function shownLine(text: string): string {
  const method = HTTP_METHOD.exec(text)?.[0];
  if (method !== undefined) return `"${method} ..."`;
  if (!COMMAND.test(text)) return '"..."';
  const end = text.search(/[\r\n]/);
  const line = text.slice(0, end < 0 ? SHOWN_OCTETS : Math.min(end, SHOWN_OCTETS));
  const auth = line.search(LOST_AUTH);
  return quoteText(auth < 0 ? line : `${line.slice(0, auth)}...`);
}
