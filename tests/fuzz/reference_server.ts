/**
 * A strict SMTP server as a function, written apart from `src/` and after the RFCs alone: what a stream of octets from
 * a client means when it is read to the letter. The oracle of the guard's fuzz tests.
 *
 * It agrees to everything but recipients and senders that say `refused`, and to what comes out of order
 * (RFC 5321 §4.1.4).
 *
 * @module
 */

/** One message, as the server would have taken it. Octets are held one to a UTF-16 unit. */
export interface ReferenceMessage {
  readonly from: string;
  readonly to: readonly string[];
  /** Without dot-stuffing (RFC 5321 §4.5.2); chunks of BDAT as they are. */
  readonly content: string;
  readonly chunked: boolean;
}

/** What a server answers to a command, as far as the state depends on it. */
export function agrees(path: string): boolean {
  return !path.includes("refused");
}

/** The messages in `stream`, in order, up to QUIT or to where it ends. */
export function referenceMessages(stream: string): ReferenceMessage[] {
  const messages: ReferenceMessage[] = [];
  let from: string | null = null;
  let to: string[] = [];
  let chunks: string | null = null;
  let at = 0;
  const reset = () => {
    from = null;
    to = [];
    chunks = null;
  };
  for (;;) {
    const end = stream.indexOf("\r\n", at);
    if (end < 0) return messages;
    const line = stream.slice(at, end);
    at = end + 2;
    // No command has one in it (RFC 5321 §4.1.2).
    if (line.includes("\0")) continue;
    const verb = line.slice(0, 4).toUpperCase();
    const rest = line.slice(4);
    if (/^(EHLO|HELO) /i.test(line) || /^RSET *$/i.test(line)) reset();
    else if (/^QUIT *$/i.test(line)) return messages;
    else if (/^MAIL FROM:/i.test(line) && from === null && agrees(rest)) from = pathOf(line);
    else if (/^RCPT TO:/i.test(line) && from !== null && chunks === null && agrees(rest)) {
      to.push(pathOf(line));
    } else if (/^DATA *$/i.test(line) && to.length > 0 && chunks === null) {
      // Only CRLF.CRLF ends it (§4.1.1.4); the CRLF of DATA itself counts as the first one.
      const last = stream.indexOf("\r\n.\r\n", at - 2);
      if (last < 0) return messages;
      const stuffed = stream.slice(at, Math.max(at, last + 2));
      messages.push({ from: from!, to, content: unstuffed(stuffed), chunked: false });
      at = last + 5;
      reset();
    } else if (verb === "BDAT") {
      const [, size, final] = /^BDAT (\d{1,10})( LAST)? *$/i.exec(line) ?? [];
      if (size === undefined) continue;
      // The octets come in any case, as the client does not wait for a reply first (RFC 3030 §2).
      const chunk = stream.slice(at, at + Number(size));
      if (chunk.length < Number(size)) return messages;
      at += chunk.length;
      if (to.length === 0) continue;
      chunks = (chunks ?? "") + chunk;
      if (final === undefined) continue;
      messages.push({ from: from!, to, content: chunks, chunked: true });
      reset();
    }
  }
}

function pathOf(line: string): string {
  return /<[^>]*>/.exec(line)?.[0] ?? line;
}

/** Takes the stuffed dots out of lines that end with CRLF. */
export function unstuffed(content: string): string {
  return content.replace(/^\./, "").replaceAll("\r\n.", "\r\n");
}

/** Content as a repair of its newlines has to leave it: LF alone becomes CRLF, CR alone a space. */
export function repaired(content: string): string {
  let out = "";
  for (let at = 0; at < content.length; at++) {
    const unit = content[at]!;
    if (unit === "\r" && content[at + 1] === "\n") {
      out += "\r\n";
      at++;
    } else if (unit === "\r") out += " ";
    else if (unit === "\n") out += "\r\n";
    else out += unit;
  }
  return out;
}
