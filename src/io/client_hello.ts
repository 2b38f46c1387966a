/**
 * The first message of a TLS client, as far as it decides which certificate is shown (RFC 8446 §4.1.2, RFC 6066 §3).
 *
 * The runtime's own way, a callback for the name, keeps some ten kilobytes for ever of every handshake that does not
 * get as far as the end: anybody could fill the memory with it.
 *
 * @module
 */

/** What the octets so far say. */
export type ClientHello =
  /** More octets are needed. */
  | { readonly kind: "more" }
  /** It is none, or one that the TLS layer will refuse. */
  | { readonly kind: "other" }
  /** The name that the client asks for, or null. */
  | { readonly kind: "hello"; readonly serverName: string | null };

/** Longest that is looked at, in octets: post-quantum key shares take two thousand, a record has sixteen. */
export const CLIENT_HELLO_OCTETS = 16_384 + 5;

const MORE: ClientHello = { kind: "more" };
const OTHER: ClientHello = { kind: "other" };

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/** Reads the message from the beginning of a connection; it may be cut into records and segments at any place. */
export function readClientHello(octets: Uint8Array): ClientHello {
  const message = handshakeOctets(octets);
  if (message === null) return OTHER;
  if (message.length < 4) return MORE;
  if (message[0] !== CLIENT_HELLO) return OTHER;
  const length = message[1]! << 16 | message[2]! << 8 | message[3]!;
  if (length > CLIENT_HELLO_OCTETS) return OTHER;
  if (message.length < 4 + length) return MORE;
  return readHello(new Cursor(message.subarray(4, 4 + length)));
}

/** The content of the handshake records, as far as it has come; null where there is another record. */
function handshakeOctets(octets: Uint8Array): Uint8Array | null {
  const content = new Uint8Array(octets.length);
  let filled = 0;
  for (let at = 0; at < octets.length;) {
    if (octets[at] !== HANDSHAKE_RECORD) return null;
    if (at + 5 > octets.length) break;
    const length = octets[at + 3]! << 8 | octets[at + 4]!;
    if (length === 0) return null;
    const part = octets.subarray(at + 5, at + 5 + length);
    content.set(part, filled);
    filled += part.length;
    at += 5 + length;
  }
  return content.subarray(0, filled);
}

function readHello(hello: Cursor): ClientHello {
  hello.skip(2 + 32); // legacy_version, random
  hello.skip(hello.number(1)); // legacy_session_id
  hello.skip(hello.number(2)); // cipher_suites
  hello.skip(hello.number(1)); // legacy_compression_methods
  const extensions = hello.part(hello.number(2));
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const extension = extensions.part(extensions.number(2));
    if (extensions.broken) return OTHER;
    if (type === SERVER_NAME) return readServerName(extension);
  }
  return hello.broken ? OTHER : { kind: "hello", serverName: null };
}

function readServerName(extension: Cursor): ClientHello {
  const names = extension.part(extension.number(2));
  while (names.left > 0) {
    const type = names.number(1);
    const name = names.part(names.number(2));
    if (names.broken) return OTHER;
    if (type === HOST_NAME) return { kind: "hello", serverName: name.text() };
  }
  return OTHER;
}

/** Reads forward; what is not there is read as zero, and {@linkcode broken} says so. */
class Cursor {
  readonly #octets: Uint8Array;
  #at = 0;
  broken = false;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  get left(): number {
    return this.broken ? 0 : this.#octets.length - this.#at;
  }

  skip(count: number): void {
    if (count > this.left) this.broken = true;
    else this.#at += count;
  }

  number(width: 1 | 2): number {
    const at = this.#at;
    this.skip(width);
    if (this.broken) return 0;
    return width === 1 ? this.#octets[at]! : this.#octets[at]! << 8 | this.#octets[at + 1]!;
  }

  part(count: number): Cursor {
    const at = this.#at;
    this.skip(count);
    const part = new Cursor(this.broken ? new Uint8Array(0) : this.#octets.subarray(at, at + count));
    part.broken = this.broken;
    return part;
  }

  text(): string {
    return String.fromCharCode(...this.#octets);
  }
}
