import { concatBytes } from "../bytes/latin1.ts";
import { type ConnectionError, type Transport, writeFor, type Writer } from "../ports/transport.ts";
import type { SpokenReply } from "../session/replies.ts";

/** Replies on their way to the client: those to pipelined commands go out in one write. */
export class ClientOutput implements Writer {
  /** The first reply that waits; most clients hear one before they say more. */
  #first: Uint8Array | null = null;
  #others: Uint8Array[] | null = null;
  #octets = 0;
  #writing = false;
  /** Who is the first to hear how the write under way ends. */
  #writer: Writer | null = null;

  /** Octets that wait. */
  get octets(): number {
    return this.#octets;
  }

  /** Whether a write is under way or has failed, so that a reply may be half sent. */
  get writing(): boolean {
    return this.#writing;
  }

  push({ bytes }: SpokenReply): void {
    this.#octets += bytes.length;
    if (this.#first === null) this.#first = bytes;
    else (this.#others ??= []).push(bytes);
  }

  /**
   * Writes what waits, with `writer` as the first to hear how that ended.
   * @throws {ConnectionError} where nobody else hears of it.
   */
  flush(transport: Transport, writer: Writer | null = null): Promise<void> {
    const first = this.#first ?? NOTHING;
    const bytes = this.#others === null ? first : concatBytes([first, ...this.#others]);
    this.#first = null;
    this.#others = null;
    this.#octets = 0;
    this.#writing = true;
    this.#writer = writer;
    return writeFor(transport, bytes, this);
  }

  /** For the transport. */
  written(): Promise<void> | undefined {
    this.#writing = false;
    return this.#writer?.written();
  }

  /** For the transport: what was half said must not be followed by anything. */
  notWritten(error: ConnectionError): void {
    if (this.#writer === null) throw error;
    this.#writer.notWritten(error);
  }
}

const NOTHING = new Uint8Array(0);
