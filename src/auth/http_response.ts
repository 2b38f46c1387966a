/**
 * Reads HTTP/1.x responses from octets in any segmentation.
 *
 * Only the head matters to the callout. The body is measured, so that the connection can carry the next
 * question, and thrown away. A reader is fed until its state is `complete` or `failed`; the head can be used as
 * soon as the state is `body`.
 *
 * @module
 */
import { decodeLatin1, displayText, encodeLatin1, partOf } from "../bytes/latin1.ts";
import { CalloutError } from "./callout_error.ts";
import { ChunkedBody } from "./chunked_body.ts";
import { HeaderNames, nameEnd } from "./header_names.ts";
import { decodeTrimmed, isStatusLine, isText } from "./response_lines.ts";

/** Octets of a status line and headers, interim responses included. nginx allows 1024. */
export const maxHeadOctets = 64 * 1024;
/** Octets of a body that are read to keep the connection; a larger one costs the connection. */
export const maxBodyOctets = 1024 * 1024;

/** Status line and headers of a final response. */
export interface HttpHead {
  readonly status: number;
  /** Reason phrase as a byte string. */
  readonly reason: string;
  /**
   * Values of the headers that are asked for, as byte strings by lower-case name; of duplicates the last (spec §3.3), but
   * list headers are joined.
   */
  readonly headers: ReadonlyMap<string, string>;
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const ZERO = 0x30;

/** What `auth_answer.ts` and the framing of the body ask for. */
const readNames = new HeaderNames([
  "auth-status",
  "auth-server",
  "auth-port",
  "auth-user",
  "auth-pass",
  "auth-wait",
  "auth-error-code",
  "auth-error-sasl",
  "auth-upstream-tls",
  "auth-upstream-auth",
  "auth-upstream-xclient",
  "auth-upstream-proxy-protocol",
  "connection",
  "content-length",
  "transfer-encoding",
]);

/** `head` and `body` need more octets; the others need none. */
export type HttpReaderState = "head" | "body" | "complete" | "failed";

/** Incremental reader of one response after the other. */
export class HttpResponseReader {
  #state: HttpReaderState = "head";
  #error: CalloutError | null = null;
  #partialLine = "";
  #headOctets = 0;
  #line = 0;
  #minorVersion = 0;
  #status = 0;
  #reason = "";
  #headers: Map<string, string> | null = null;
  #head: HttpHead | null = null;
  #bodyLeft = 0;
  #chunked: ChunkedBody | null = null;
  #reusable = false;

  get state(): HttpReaderState {
    return this.#state;
  }

  /** The head, or null while it is incomplete. */
  get head(): HttpHead | null {
    return this.#head;
  }

  /** Why the state is `failed`, else null. */
  get error(): CalloutError | null {
    return this.#error;
  }

  /** Whether the connection can carry another question once the state is `complete`. */
  get reusable(): boolean {
    return this.#reusable;
  }

  /** Whether no octet of the response has come yet. */
  get untouched(): boolean {
    return this.#headOctets === 0;
  }

  /**
   * Takes the first `length` of `bytes`, which are octets of the response. Octets behind its end make the connection
   * unusable for another one.
   */
  feed(bytes: Uint8Array, length: number = bytes.length): void {
    const bodyStart = this.#state === "head" ? this.#feedHead(bytes, length) : 0;
    if (this.#state === "body") this.#feedBody(partOf(bytes, 0, length), bodyStart);
    else if (bodyStart < length) this.#reusable = false;
  }

  /** Takes the end of the stream. */
  end(): void {
    this.#reusable = false;
    if (this.#state === "body") this.#state = "complete";
    else if (this.#state === "head") {
      const what = this.untouched ? "nothing" : `${this.#headOctets} octets of it`;
      this.#fail("closed", `expected a response head, got ${what} before the end of the connection`);
    }
  }

  /** Makes ready for the next response. */
  reset(): void {
    this.#state = "head";
    this.#error = null;
    this.#head = null;
    this.#headers = null;
    this.#partialLine = "";
    this.#headOctets = 0;
    this.#line = 0;
    this.#chunked = null;
    this.#reusable = false;
  }

  /** Returns the index of the first octet behind the head. */
  #feedHead(bytes: Uint8Array, length: number): number {
    let at = 0;
    while (this.#state === "head" && at < length) {
      let end = at;
      while (end < length && bytes[end] !== LF) end++;
      const next = Math.min(end + 1, length);
      this.#headOctets += next - at;
      if (this.#headOctets > maxHeadOctets) {
        this.#fail("too_large", `expected a response head of at most ${maxHeadOctets} octets, got more`);
        break;
      }
      if (end === length) {
        this.#partialLine += decodeLatin1(bytes, at, next);
      } else if (this.#partialLine === "") {
        this.#takeLine(bytes, at, end);
      } else {
        const line = encodeLatin1(this.#partialLine + decodeLatin1(bytes, at, end));
        this.#partialLine = "";
        this.#takeLine(line, 0, line.length);
      }
      at = next;
    }
    return at;
  }

  /** Takes a line from `start` to `end`, where its LF was. */
  #takeLine(bytes: Uint8Array, start: number, end: number): void {
    this.#line++;
    if (end > start && bytes[end - 1] === CR) end--;
    if (this.#headers === null) this.#takeStatusLine(bytes, start, end);
    else if (start === end) this.#finishHead(this.#headers);
    else this.#takeHeader(bytes, start, end, this.#headers);
  }

  #takeStatusLine(bytes: Uint8Array, start: number, end: number): void {
    if (!isStatusLine(bytes, start, end)) {
      const line = decodeLatin1(bytes, start, end);
      this.#fail("invalid_response", `expected "HTTP/1.x" and a status code, got ${quoteStart(line)}`);
      return;
    }
    this.#headers = new Map();
    this.#minorVersion = bytes[start + 7]! - ZERO;
    this.#status = 0;
    for (let at = start + 9; at < start + 12; at++) this.#status = this.#status * 10 + bytes[at]! - ZERO;
    this.#reason = decodeLatin1(bytes, Math.min(start + 13, end), end);
  }

  #takeHeader(bytes: Uint8Array, start: number, end: number, headers: Map<string, string>): void {
    const colon = nameEnd(bytes, start, end);
    if (colon === start || colon === end || bytes[colon] !== COLON) {
      // The line may be the rest of a password that had a line feed in it, so none of it is shown.
      const what = colon === end ? "the end of the line" : `octet 0x${hex(bytes[colon]!)}`;
      this.#fail(
        "invalid_header",
        `expected a header name and ":" in line ${this.#line}, got ${what} at column ${colon - start + 1}`,
      );
      return;
    }
    if (!isText(bytes, colon, end)) {
      this.#fail("invalid_header", `expected no CR or NUL in line ${this.#line}, got one`);
      return;
    }
    const name = readNames.find(bytes, start, colon);
    if (name === null) return;
    const value = decodeTrimmed(bytes, colon + 1, end);
    const former = isListHeader(name) ? headers.get(name) : undefined;
    headers.set(name, former === undefined ? value : `${former}, ${value}`);
  }

  #finishHead(headers: Map<string, string>): void {
    if (this.#status === 101) {
      this.#fail("invalid_response", `expected a final status, got "101 Switching Protocols"`);
      return;
    }
    if (this.#status < 200) {
      // An interim response (RFC 9110 §15.2): the final one follows.
      this.#headers = null;
      return;
    }
    this.#head = { status: this.#status, reason: this.#reason, headers };
    this.#state = "complete";
    this.#frameBody(headers);
  }

  /** Decides where the body ends (RFC 9112 §6.3). */
  #frameBody(headers: ReadonlyMap<string, string>): void {
    const connection = headers.get("connection");
    const keepAlive = this.#minorVersion >= 1
      ? !hasMember(connection, "close")
      : hasMember(connection, "keep-alive");
    const coding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    if (!keepAlive) return;
    if (this.#status === 204 || this.#status === 304) {
      this.#reusable = true;
    } else if (coding !== undefined) {
      // With a Content-Length beside it, or on HTTP/1.0, the framing is not to be trusted (RFC 9112 §6.1).
      if (coding.toLowerCase() !== "chunked" || length !== undefined || this.#minorVersion === 0) return;
      this.#chunked = new ChunkedBody();
      this.#bodyLeft = maxBodyOctets;
      this.#state = "body";
      this.#reusable = true;
    } else if (length !== undefined && /^\d{1,7}$/.test(length) && Number(length) <= maxBodyOctets) {
      this.#bodyLeft = Number(length);
      this.#reusable = true;
      if (this.#bodyLeft > 0) this.#state = "body";
    }
  }

  #feedBody(bytes: Uint8Array, from: number): void {
    let end: number;
    if (this.#chunked === null) {
      end = Math.min(bytes.length, from + this.#bodyLeft);
      this.#bodyLeft -= end - from;
      if (this.#bodyLeft === 0) this.#state = "complete";
    } else {
      end = this.#chunked.feed(bytes, from);
      this.#bodyLeft -= end - from;
      if (this.#chunked.malformed || this.#bodyLeft < 0) this.#reusable = false;
      if (this.#chunked.ended || !this.#reusable) this.#state = "complete";
    }
    if (end < bytes.length) this.#reusable = false;
  }

  #fail(code: CalloutError["code"], message: string): void {
    this.#state = "failed";
    this.#reusable = false;
    this.#partialLine = "";
    this.#error = new CalloutError(code, message);
  }
}

/** Headers whose members may come in several lines and which decide the framing. */
function isListHeader(name: string): boolean {
  return name === "connection" || name === "transfer-encoding" || name === "content-length";
}

function hasMember(list: string | undefined, member: string): boolean {
  return list !== undefined && list.toLowerCase().split(",").some((item) => item.trim() === member);
}

/** The start of a line that is no status line. It may be a header with a password, so a value is never shown. */
function quoteStart(line: string): string {
  const colon = line.indexOf(":");
  const end = Math.min(colon < 0 ? 40 : colon, 40);
  return `"${displayText(line.slice(0, end))}"${end < line.length ? "..." : ""}`;
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, "0");
}
