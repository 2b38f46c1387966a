import { decodeLatin1 } from "../bytes/latin1.ts";
import { beginsBinary } from "../grammar/foreign_protocol.ts";
import { LINE_TOO_LONG, LineFramer, type LineTooLong } from "../grammar/line_framer.ts";
import { type Reader, readFor, type Transport } from "../ports/transport.ts";
import { type BufferPool, CLIENT_OCTETS } from "./buffer_pool.ts";

/** RFC 4954 §4: a line of the authentication exchange, with its CRLF. */
const SASL_LINE_OCTETS = 12_288 + 2;
/** As much of a line that is too long is kept for the log, in octets. */
const TOO_LONG_SHOWN_OCTETS = 512;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = new Uint8Array(0);

/** What a client has sent and nobody has taken yet, and the buffer it is read with. */
export class ClientInput {
  /** Null while nothing waits, as for most of the time of an idle client. */
  #framer: LineFramer | null = null;
  readonly #buffers: BufferPool;
  #buffer: Uint8Array | null = null;
  /** Octets that wait where they were read: most reads give one line, which is taken before the next. */
  #unframed = 0;
  /** A read that {@linkcode begin} began and nobody saw the end of. */
  #begun: Promise<number | null> | null = null;

  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  /** Octets that wait. */
  get pending(): number {
    return this.#framer?.pending ?? this.#unframed;
  }

  /** The buffer for reading, borrowed at the first use. */
  get buffer(): Uint8Array {
    return this.#buffer ??= this.#buffers.take(CLIENT_OCTETS);
  }

  /** Begins a read; {@linkcode read} goes on with it, unless {@linkcode finished} says that it has ended. */
  begin(transport: Transport): Promise<number | null> {
    this.#framed();
    return this.#begun = transport.read(this.buffer);
  }

  /** Says that the read of {@linkcode begin} has given `count` octets, and tells them. */
  finished(count: number): string {
    this.#begun = null;
    return decodeLatin1(this.buffer, 0, count);
  }

  /**
   * Has `reader` told of more, which has to be taken, of the end of the stream, or of its loss. What is returned is what
   * the reader makes of it.
   */
  read(transport: Transport, reader: Reader): Promise<number | null> {
    this.#framed();
    const begun = this.#begun;
    if (begun === null) return readFor(transport, this.buffer, reader);
    this.#begun = null;
    return begun.then((count) => reader.heard(count), (error) => reader.lost(error));
  }

  /** Takes the `count` octets that {@linkcode read} gave. */
  take(count: number): void {
    if (this.#framer === null) this.#unframed = count;
    else this.#framer.feed(this.buffer, count);
  }

  /** Holds all that waits, so that the buffer may be used for something else; null where nothing does. */
  #framed(): LineFramer | null {
    if (this.#unframed > 0) {
      this.#framer = new LineFramer();
      this.#framer.feed(this.buffer, this.#unframed);
      this.#unframed = 0;
    }
    return this.#framer;
  }

  /** The next command line, of at most `limit` octets. */
  nextCommand(limit: number): string | null | LineTooLong {
    const line = this.#nextLine(limit);
    // AUTH with an initial response may be as long as the rest of the exchange (RFC 4954 §4).
    return line === LINE_TOO_LONG && this.#framed()?.startsWith("AUTH ") ? this.nextResponse() : line;
  }

  /** The next line of an authentication exchange. */
  nextResponse(): string | null | LineTooLong {
    return this.#nextLine(SASL_LINE_OCTETS);
  }

  #nextLine(limit: number): string | null | LineTooLong {
    const only = this.#onlyLine(limit);
    if (only !== null) return only;
    const framer = this.#framed();
    if (framer === null) return null;
    const line = framer.next(limit);
    if (framer.pending === 0) this.#framer = null;
    return line;
  }

  /** What waits where it was read, if that is one line that fits; as {@linkcode LineFramer.next} would give it. */
  #onlyLine(limit: number): string | null {
    const end = this.#unframed - 1;
    if (end < 0 || end >= limit) return null;
    const { buffer } = this;
    let at = 0;
    while (at < end && buffer[at] !== LF) at++;
    if (at < end || buffer[end] !== LF) return null;
    this.#unframed = 0;
    return decodeLatin1(buffer, 0, end > 0 && buffer[end - 1] === CR ? end - 1 : end);
  }

  /** Whether what waits begins as no line of text does. */
  get beginsBinary(): boolean {
    const framer = this.#framed();
    return framer !== null && beginsBinary(framer.first);
  }

  /** The beginning of a line that is too long. */
  beginning(): string {
    return this.#framed()?.peek(TOO_LONG_SHOWN_OCTETS) ?? "";
  }

  /** Throws everything away (RFC 3207 §4.2). */
  clear(): void {
    this.#unframed = 0;
    this.#framer = null;
  }

  /** Everything that waits, for the mail server. */
  takeRest(): Uint8Array {
    const rest = this.#framed()?.takeRest() ?? NOTHING;
    this.#framer = null;
    return rest;
  }

  /**
   * Gives the buffer back, but where a read of {@linkcode begin} is under way: the runtime would still write into it. No
   * other read may be.
   */
  release(): void {
    this.#framed();
    this.#begun?.catch(() => {/* it was begun for nobody */});
    if (this.#buffer !== null && this.#begun === null) this.#buffers.give(this.#buffer);
    this.#buffer = null;
  }
}
