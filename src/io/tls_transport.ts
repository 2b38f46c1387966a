import type { TLSSocket } from "node:tls";
import type { ConnectionError, SocketAddress, TlsFacts, Transport } from "../ports/transport.ts";
import type { ByteStreamDuplex } from "./byte_stream_duplex.ts";
import { closedError, connectionLost, toConnectionError } from "./connection_errors.ts";

/** A TLS record; the TLS layer takes this much at a time without keeping a rest for later. */
const WRITE_OCTETS = 16384;

/**
 * Decrypted octets that nobody has read yet. Reading from below goes on only while there are none, so this holds at
 * most what one read gave.
 */
export class ReceivedOctets {
  readonly #chunks: Uint8Array[] = [];
  #wake: (() => void) | null = null;
  #ended = false;
  #error: ConnectionError | null = null;

  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#settle();
  }

  end(): void {
    this.#ended = true;
    this.#settle();
  }

  /** Takes a function, because most connections end well and errors cost more than the rest of the end. */
  fail(makeError: () => ConnectionError): void {
    // What comes after the end is the tear-down.
    if (!this.#ended) this.#error ??= makeError();
    this.#settle();
  }

  /** Copies what is there into `into`; null at the end, undefined when nothing is there yet. */
  take(into: Uint8Array): number | null | undefined {
    const chunks = this.#chunks;
    if (chunks.length === 0) {
      if (this.#error !== null) throw this.#error;
      return this.#ended ? null : undefined;
    }
    const only = chunks[0]!;
    if (chunks.length === 1 && only.length <= into.length) {
      into.set(only);
      chunks.pop();
      return only.length;
    }
    let octets = 0;
    let whole = 0;
    for (; whole < chunks.length && octets < into.length; whole++) {
      const chunk = chunks[whole]!;
      const room = into.length - octets;
      if (chunk.length > room) {
        into.set(chunk.subarray(0, room), octets);
        chunks[whole] = chunk.subarray(room);
        octets += room;
        break;
      }
      into.set(chunk, octets);
      octets += chunk.length;
    }
    if (whole === chunks.length) chunks.length = 0;
    else chunks.splice(0, whole);
    return octets;
  }

  /** Settles when {@linkcode take} has something to say. */
  arrival(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  #settle(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

/** A {@linkcode Transport} over a TLS connection whose handshake is done. */
export class TlsTransport implements Transport {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls: TlsFacts;
  readonly #plain: Transport;
  readonly #duplex: ByteStreamDuplex;
  readonly #socket: TLSSocket;
  readonly #received: ReceivedOctets;
  #closed = false;
  #writeEnded = false;

  constructor(
    plain: Transport,
    layers: { duplex: ByteStreamDuplex; socket: TLSSocket; received: ReceivedOctets },
    facts: TlsFacts,
  ) {
    this.#plain = plain;
    this.#duplex = layers.duplex;
    this.#socket = layers.socket;
    this.#received = layers.received;
    this.local = plain.local;
    this.remote = plain.remote;
    this.tls = facts;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#closed) throw closedError();
      const octets = this.#received.take(into);
      if (octets !== undefined) {
        if (this.#received.empty) this.#duplex.resumeReading();
        return octets;
      }
      const arrival = this.#received.arrival();
      this.#duplex.resumeReading();
      await arrival;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; from += WRITE_OCTETS) {
      await this.#writeRecord(bytes.subarray(from, from + WRITE_OCTETS));
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#writeEnded) return;
    this.#writeEnded = true;
    if (!this.#socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.#socket.once("close", resolve);
        this.#socket.end(resolve);
      });
      await this.#duplex.flushed();
    }
    await this.#plain.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#received.fail(closedError);
    this.#plain.close();
    this.#socket.destroy();
    this.#duplex.destroy();
  }

  async #writeRecord(bytes: Uint8Array): Promise<void> {
    if (this.#closed || this.#writeEnded) throw closedError();
    const error = await new Promise<Error | null | undefined>((resolve) => {
      if (this.#socket.destroyed) {
        return resolve(connectionLost("write"));
      }
      this.#socket.write(bytes, resolve);
    });
    if (!error) await this.#duplex.flushed();
    if (this.#closed) throw closedError();
    if (error) throw toConnectionError(error, "write");
    if (this.#duplex.destroyed) throw connectionLost("write");
  }
}
