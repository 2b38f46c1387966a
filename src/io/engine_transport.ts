import {
  type ConnectionError,
  type Reader,
  readFor,
  type SocketAddress,
  type TlsFacts,
  type Transport,
  writeFor,
  type Writer,
} from "../ports/transport.ts";
import { closedError, connectionLost, isReset, silent, tlsError } from "./connection_errors.ts";
import { ReadBuffers } from "./read_buffers.ts";
import type { EngineEvents, EngineMaker, TlsEngine } from "./tls_engine.ts";
import { alertFor } from "./tls_alerts.ts";
import { ReceivedOctets } from "./tls_transport.ts";

/** Three TLS records at a time: one write below them, and less than the engine holds. */
const WRITE_OCTETS = 49_152;
/** A ClientHello fits. */
const HANDSHAKE_OCTETS = 2048;
/** A TLS record with an SMTP command fits. */
const QUIET_OCTETS = 512;
/** One with a short message fits; for a reader that has more room than for commands. */
const ROOMY_OCTETS = 2048;

/** The version whose handshake is done when the client has finished. */
const TICKETS_LAST = "TLSv1.3";

const NOTHING = new Uint8Array(0);

/** Says what is known of the peer by the certificate that it has shown. */
export type PeerJudge = (
  engine: TlsEngine,
  facts: TlsFacts,
) => Promise<Partial<TlsFacts>>;

/** A TLS connection from the first octet of its handshake: an engine and the plain connection below it. */
export class EngineTransport implements Transport, EngineEvents, Reader, Writer {
  readonly #plain: Transport;
  readonly #engine: TlsEngine;
  readonly #received = new ReceivedOctets();
  readonly #buffers = new ReadBuffers(HANDSHAKE_OCTETS);
  /** Settles when all that the engine has made is written; rejects when it cannot be. */
  #sending: Promise<void> | null = null;
  /** Whether the engine has made more since the write that is under way began. */
  #moreToSend = false;
  #sendError: ConnectionError | null = null;
  #facts: TlsFacts | null = null;
  #failed = false;
  /** Whether anything was sent. */
  #spoken = false;
  /** Instead of the engine's own. */
  #alert: Uint8Array | null = null;
  /** Where the read from below that is under way puts what it hears. */
  #reading: Uint8Array | null = null;
  /** Where the reader wants it. */
  #into: Uint8Array = NOTHING;
  /** Whether nobody wants it but the engine. */
  #forEngine = false;
  /** How much of what was heard last is there. */
  #placed = 0;
  /** Who hears first of the write that is under way, and of what has joined it. */
  #writer: Writer | null = null;
  #closed = false;
  #writeEnded = false;
  /** Whether its readers had room for more than commands. */
  #roomy = false;

  /** @throws {Error} when the runtime cannot start TLS. */
  constructor(plain: Transport, makeEngine: EngineMaker) {
    this.#plain = plain;
    this.#engine = makeEngine(this);
  }

  // What the engine tells, while it is called.

  received(clear: Uint8Array): void {
    this.#received.push(clear);
  }

  ended(): void {
    this.#received.end();
  }

  failed(error: Error): void {
    this.#failed = true;
    if (!this.#spoken) this.#alert = alertFor(error);
    this.#received.fail(() => tlsError(error));
  }

  get local(): SocketAddress {
    return this.#plain.local;
  }

  get remote(): SocketAddress {
    return this.#plain.remote;
  }

  get tls(): TlsFacts | null {
    return this.#facts;
  }

  /**
   * Runs the handshake and gives this transport; `first` is what was read of it already. `judge` looks at the peer's
   * certificate, where there is to be one, and may throw.
   * @throws {ConnectionError} with code `tls`, `reset`, `closed`, or of clients `silent`, and what `judge` throws; all is
   * closed then, after an alert.
   */
  async handshake(first: Uint8Array | null, judge: PeerJudge | null): Promise<this> {
    const ofClient = this.#engine.role === "server";
    let heard = first !== null && first.length > 0;
    try {
      if (heard) this.#engine.receive(first, NOTHING);
      while (!this.#engine.established) {
        await this.#flushForNobody();
        if (this.#received.take(NOTHING) === null) throw connectionLost("finish the TLS handshake");
        if (await this.#readBelow() !== null) heard = true;
      }
      // What came with its last flight may be wrong. The client may also have ended with it: the next read says so.
      this.#received.take(NOTHING);
      const facts = this.#engine.facts();
      // In TLS 1.2 the client awaits what the engine has made now. In TLS 1.3 that is only tickets to resume the session
      // with (RFC 8446 §4.6.1), for which nobody waits: they go out with what is written next.
      if (ofClient && facts.protocol !== TICKETS_LAST) await this.#flushForNobody();
      this.#facts = judge === null ? facts : { ...facts, ...await judge(this.#engine, facts) };
      if (this.#closed) throw closedError();
      // In TLS 1.3 the server awaits our end of the handshake, if it is one that we speak with.
      if (!ofClient) await this.#flushForNobody();
    } catch (error) {
      this.close();
      // Clients that only look whether somebody listens do no more.
      if (ofClient && !heard && isReset(error)) throw silent();
      throw error;
    }
    this.#buffers.quiet(QUIET_OCTETS);
    return this;
  }

  // Reads and writes are most of what is done for a session: no async function, and no closure for each of them.

  read(into: Uint8Array): Promise<number | null> {
    let octets: number | null | undefined;
    try {
      octets = this.#take(into);
    } catch (error) {
      return Promise.reject(error);
    }
    if (octets !== undefined) return Promise.resolve(octets);
    if (!this.#roomy && into.length >= ROOMY_OCTETS) {
      this.#roomy = true;
      this.#buffers.quiet(ROOMY_OCTETS);
    }
    this.#into = into;
    return readFor(this.#plain, this.#reading = this.#buffers.next(), this);
  }

  /** For the connection below: what was read of it, which may be only a part of a record. */
  heard(count: number | null): number | null | Promise<number | null> {
    const into = this.#into;
    const forEngine = this.#forEngine;
    this.#into = NOTHING;
    this.#forEngine = false;
    const alerted = this.#takeBelow(count, into);
    if (forEngine) return alerted === undefined ? count : alerted.then(() => count);
    if (this.#placed > 0) return this.#placed;
    const octets = alerted === undefined ? this.#take(into) : undefined;
    return octets === undefined ? this.#readOn(into, alerted) : octets;
  }

  /** For the connection below. */
  lost(error: ConnectionError): never {
    this.#forEngine = false;
    this.#readOver();
    throw error;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > WRITE_OCTETS) return this.#writeInParts(bytes);
    try {
      this.#encrypt(bytes);
      return this.#flush() ?? Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  writeFor(bytes: Uint8Array, writer: Writer): Promise<void> {
    // Nearly all writes are short, and nobody else's is under way.
    if (bytes.length <= WRITE_OCTETS && this.#sending === null) {
      try {
        this.#encrypt(bytes);
        this.#writer = writer;
        const sending = this.#flush();
        if (sending !== undefined) return sending;
      } catch (error) {
        this.#writer = null;
        return Promise.reject(error).catch((error) => writer.notWritten(error));
      }
      // There was nothing to write.
      this.#writer = null;
      return Promise.resolve().then(() => writer.written());
    }
    return this.write(bytes).then(() => writer.written(), (error) => writer.notWritten(error));
  }

  async #writeInParts(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; from += WRITE_OCTETS) {
      await this.write(bytes.subarray(from, from + WRITE_OCTETS));
    }
  }

  end(bytes: Uint8Array): Promise<void> {
    if (bytes.length > WRITE_OCTETS) {
      const last = bytes.length - WRITE_OCTETS;
      return this.write(bytes.subarray(0, last)).then(() => this.end(bytes.subarray(last)));
    }
    try {
      this.#encrypt(bytes);
      this.#writeEnded = true;
      this.#engine.end();
      return (this.#flush() ?? Promise.resolve()).then(() => this.close());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#writeEnded) return;
    this.#writeEnded = true;
    this.#engine.end();
    await this.#flushForNobody();
    await this.#plain.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#received.fail(closedError);
    this.#plain.close();
    this.#engine.release();
    if (this.#reading === null) this.#buffers.release();
  }

  #take(into: Uint8Array): number | null | undefined {
    if (this.#closed) throw closedError();
    return this.#received.take(into);
  }

  /** Reads until there is something: records may come octet by octet, and none of those must leave anything behind. */
  async #readOn(into: Uint8Array, alerted: Promise<void> | undefined): Promise<number | null> {
    await alerted;
    for (;;) {
      const octets = this.#take(into);
      if (octets !== undefined) return octets;
      await this.#readBelow();
    }
  }

  /** Reads once from below and lets the engine have it; null at the end. */
  #readBelow(): Promise<number | null> {
    this.#forEngine = true;
    return readFor(this.#plain, this.#reading = this.#buffers.next(), this);
  }

  /** The read from below is over, and its buffer free. */
  #readOver(): Uint8Array {
    const buffer = this.#reading!;
    this.#reading = null;
    if (this.#closed) this.#buffers.release();
    return buffer;
  }

  /**
   * Lets the engine have what came from below, and put what it makes of it into `into`. Settles when the alert that comes
   * of it is sent; undefined for none.
   */
  #takeBelow(count: number | null, into: Uint8Array): Promise<void> | undefined {
    const buffer = this.#readOver();
    if (this.#closed) throw closedError();
    this.#placed = this.#engine.receive(count === null ? null : buffer.subarray(0, count), into);
    if (count !== null) this.#buffers.filled(count);
    // The alert goes out before the connection is closed. Else the engine has nothing to say once the handshake is
    // done, but for an answer to a change of keys, which goes out with what is written next (RFC 8446 §4.6.3). So no
    // reader waits for a writer: it would never read again when the peer waits for us in the same way.
    return this.#failed ? this.#flushForNobody() : undefined;
  }

  #encrypt(clear: Uint8Array): void {
    if (this.#closed || this.#writeEnded) throw closedError();
    this.#throwSendError();
    if (this.#failed || clear.length > 0 && !this.#engine.send(clear)) throw connectionLost("write");
  }

  /** {@linkcode #flush} for what is no writer's: that it cannot be sent, the next write or read says. Never rejects. */
  #flushForNobody(): Promise<void> | undefined {
    return this.#flush()?.catch(() => {});
  }

  /** Writes what the engine has made; nothing is returned where there is nothing. Rejects when it cannot be written. */
  #flush(): Promise<void> | undefined {
    if (this.#sending !== null) {
      this.#moreToSend = true;
      return this.#sending.then(() => this.#throwSendError());
    }
    const encrypted = this.#next();
    if (encrypted === null) return undefined;
    this.#spoken = true;
    return this.#sending = this.#send(encrypted);
  }

  /** What is to be written next; after an alert of ours nothing is. */
  #next(): Uint8Array | null {
    if (this.#closed) return null;
    if (this.#alert === null) return this.#engine.takeEncrypted();
    const alert = this.#alert;
    this.#alert = NOTHING;
    return alert === NOTHING ? null : alert;
  }

  #throwSendError(): void {
    if (this.#sendError !== null) throw this.#sendError;
  }

  /** One write at a time, in the order in which the engine made them. */
  #send(encrypted: Uint8Array): Promise<void> {
    this.#moreToSend = false;
    return writeFor(this.#plain, encrypted, this);
  }

  /** For the connection below. */
  written(): Promise<void> | undefined {
    if (this.#moreToSend) {
      try {
        if (this.#closed) throw closedError();
        const next = this.#next();
        if (next !== null) return this.#send(next);
      } catch (error) {
        // Whatever it is: the writer has to hear of it.
        this.notWritten(error as ConnectionError);
        return;
      }
    }
    this.#sending = null;
    const writer = this.#writer;
    this.#writer = null;
    return writer?.written();
  }

  /** For the connection below. */
  notWritten(error: ConnectionError): void {
    this.#sendError = error;
    this.#sending = null;
    const writer = this.#writer;
    this.#writer = null;
    if (writer === null) throw error;
    writer.notWritten(error);
  }
}
