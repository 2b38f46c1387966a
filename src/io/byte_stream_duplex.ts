import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import type { Transport } from "../ports/transport.ts";
import { ReadBuffers } from "./read_buffers.ts";

type Done = (error?: Error | null) => void;

/**
 * A {@linkcode Transport} as the stream that `node:tls` wants below it.
 *
 * `node:tls` neither stops this stream while nobody takes the decrypted octets, nor tells a writer that the encrypted
 * ones are stuck here. So both ways of back-pressure are made here: `mayRead` is asked before every read, and
 * {@linkcode flushed} tells when everything is written.
 */
export class ByteStreamDuplex extends Duplex {
  readonly #below: Transport;
  readonly #mayRead: () => boolean;
  /** What was read before this stream was made. */
  #first: Uint8Array | null;
  readonly #buffers = new ReadBuffers();
  #reading = false;
  #ended = false;
  #writtenAny = false;
  #readAny = false;
  #sending = false;
  #waiters: (() => void)[] = [];

  constructor(below: Transport, mayRead: () => boolean, first: Uint8Array | null = null) {
    super({ allowHalfOpen: true, emitClose: true, decodeStrings: true });
    this.#below = below;
    this.#first = first !== null && first.length > 0 ? first : null;
    this.#mayRead = mayRead;
    // Errors reach the TLS socket through its own listeners; an 'error' event nobody hears would end the process.
    this.on("error", () => {});
  }

  /** Whether any octet was given to the transport below. */
  get writtenAny(): boolean {
    return this.#writtenAny;
  }

  /** Whether any octet came from the transport below. */
  get readAny(): boolean {
    return this.#readAny;
  }

  /** Goes on reading when `mayRead` has changed its mind. */
  resumeReading(): void {
    if (!this.#reading && !this.#ended && !this.destroyed) void this.#pump();
  }

  /** Settles when all octets written so far were taken from below, or can never be. */
  flushed(): Promise<void> {
    if (!this.#sending && (this.writableLength === 0 || this.destroyed)) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  override _read(): void {
    this.resumeReading();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#send(chunk, done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: Done): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: Done): void {
    this.#below.closeWrite().then(() => done());
  }

  /** Leaves the transport below open: its owner may have an alert to send, and closes it. */
  override _destroy(error: Error | null, done: Done): void {
    if (!this.#reading) this.#buffers.release();
    if (!this.#sending) this.#wake();
    done(error);
  }

  #send(chunk: Uint8Array, done: Done): void {
    this.#writtenAny = true;
    const finish = (error?: Error) => {
      this.#sending = false;
      done(error);
      if (this.writableLength === 0 || this.destroyed) this.#wake();
    };
    this.#sending = true;
    this.#below.write(chunk).then(() => finish(), finish);
  }

  async #pump(): Promise<void> {
    this.#reading = true;
    try {
      if (this.#first !== null) await this.#pushFirst(this.#first);
      while (!this.destroyed && this.#mayRead()) {
        const buffer = this.#buffers.next();
        const octets = await this.#below.read(buffer);
        if (this.destroyed) break;
        this.#readAny ||= octets !== null;
        if (octets === null) {
          this.#ended = true;
          this.push(null);
          break;
        }
        // The TLS layer takes what it is given at once and copies it; what it left in the stream stays the stream's.
        const taken = this.push(buffer.subarray(0, octets));
        if (this.readableLength === 0) this.#buffers.filled(octets);
        else this.#buffers.lost();
        if (!taken) break;
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#reading = false;
      if (this.destroyed) this.#buffers.release();
    }
  }

  async #pushFirst(octets: Uint8Array): Promise<void> {
    this.#first = null;
    this.#readAny = true;
    // Like what comes from below, never in the turn in which the TLS socket is made: it is not ready before.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (!this.destroyed) this.push(octets);
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
