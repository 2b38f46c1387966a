/**
 * Reads HTTP/1.x responses from octets in any segmentation.
 *
 * Only the head matters to the callout. The body is measured, so that the connection can carry the next
 * question, and thrown away. A reader is fed until its state is `complete` or `failed`; the head can be used as
 * soon as the state is `body`.
 *
 * @module
 */
import { decodeLatin1, displayText } from "../bytes/latin1.ts";
import { CalloutError } from "./callout_error.ts";
import { ChunkedBody } from "./chunked_body.ts";

/** Octets of a status line and headers, interim responses included. nginx allows 1024. */
export const maxHeadOctets = 64 * 1024;
/** Octets of a body that are read to keep the connection; a larger one costs the connection. */
export const maxBodyOctets = 1024 * 1024;

/** Status line and headers of a final response. */
export interface HttpHead {
  readonly status: number;
  /** Reason phrase as a byte string. */
  readonly reason: string;
  /** Values as byte strings by lower-case name; of duplicates the last (spec §3.3), but list headers are joined. */
  readonly headers: ReadonlyMap<string, string>;
}

const CR = 0x0d;

/** `head` and `body` need more octets; the others need none. */
export type HttpReaderState = "head" | "body" | "complete" | "failed";

/** Octets of a token (RFC 9110 §5.6.2). */
const isTokenOctet = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  isTokenOctet[char.charCodeAt(0)] = 1;
}

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

  /** Takes octets of the response. Octets behind its end make the connection unusable for another one. */
  feed(bytes: Uint8Array): void {
    const bodyStart = this.#state === "head" ? this.#feedHead(bytes) : 0;
    if (this.#state === "body") this.#feedBody(bytes, bodyStart);
    else if (bodyStart < bytes.length) this.#reusable = false;
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
  #feedHead(bytes: Uint8Array): number {
    // All at once: a head is a few hundred octets, and a call for each line costs more than the octets.
    const text = decodeLatin1(bytes);
    let at = 0;
    while (this.#state === "head" && at < bytes.length) {
      const end = text.indexOf("\n", at);
      const next = end < 0 ? bytes.length : end + 1;
      this.#headOctets += next - at;
      if (this.#headOctets > maxHeadOctets) {
        this.#fail("too_large", `expected a response head of at most ${maxHeadOctets} octets, got more`);
        break;
      }
      if (end < 0) {
        this.#partialLine += text.slice(at);
      } else if (this.#partialLine === "") {
        this.#takeLine(text.slice(at, end > at && text.charCodeAt(end - 1) === CR ? end - 1 : end));
      } else {
        const line = this.#partialLine + text.slice(at, end);
        this.#partialLine = "";
        this.#takeLine(line.endsWith("\r") ? line.slice(0, -1) : line);
      }
      at = next;
    }
    return at;
  }

  #takeLine(line: string): void {
    this.#line++;
    if (this.#headers === null) this.#takeStatusLine(line);
    else if (line === "") this.#finishHead(this.#headers);
    else this.#takeHeader(line, this.#headers);
  }

  #takeStatusLine(line: string): void {
    const match = /^HTTP\/1\.(\d) ([1-5]\d\d)(?: ([^\0\r]*))?$/.exec(line);
    if (match !== null) {
      this.#headers = new Map();
      this.#minorVersion = Number(match[1]);
      this.#status = Number(match[2]);
      this.#reason = match[3] ?? "";
    } else {
      this.#fail("invalid_response", `expected "HTTP/1.x" and a status code, got ${quoteStart(line)}`);
    }
  }

  #takeHeader(line: string, headers: Map<string, string>): void {
    let colon = 0;
    while (isTokenOctet[line.charCodeAt(colon)] === 1) colon++;
    if (colon === 0 || line[colon] !== ":") {
      // The line may be the rest of a password that had a line feed in it, so none of it is shown.
      const octet = line.charCodeAt(colon);
      const what = Number.isNaN(octet) ? "the end of the line" : `octet 0x${hex(octet)}`;
      this.#fail(
        "invalid_header",
        `expected a header name and ":" in line ${this.#line}, got ${what} at column ${colon + 1}`,
      );
      return;
    }
    if (line.includes("\r", colon) || line.includes("\0", colon)) {
      this.#fail("invalid_header", `expected no CR or NUL in line ${this.#line}, got one`);
      return;
    }
    const name = line.slice(0, colon).toLowerCase();
    const value = trimBlanks(line, colon + 1);
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

/** Cuts optional whitespace off both ends (RFC 9110 §5.6.3). */
function trimBlanks(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09;
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
