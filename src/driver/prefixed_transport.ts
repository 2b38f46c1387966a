import {
  type Reader,
  readFor,
  type SocketAddress,
  type TlsFacts,
  type Transport,
  writeFor,
  type Writer,
} from "../ports/transport.ts";

/**
 * A transport whose first octets were read already: what came behind a PROXY header belongs to the TLS handshake
 * or to SMTP.
 */
export class PrefixedTransport implements Transport {
  readonly #inner: Transport;
  #prefix: Uint8Array;

  constructor(prefix: Uint8Array, inner: Transport) {
    this.#prefix = prefix;
    this.#inner = inner;
  }

  get local(): SocketAddress {
    return this.#inner.local;
  }

  get remote(): SocketAddress {
    return this.#inner.remote;
  }

  get tls(): TlsFacts | null {
    return this.#inner.tls;
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#prefix.length === 0) return this.#inner.read(into);
    const length = Math.min(into.length, this.#prefix.length);
    into.set(this.#prefix.subarray(0, length));
    this.#prefix = this.#prefix.subarray(length);
    return Promise.resolve(length);
  }

  readFor(into: Uint8Array, reader: Reader): Promise<number | null> {
    if (this.#prefix.length === 0) return readFor(this.#inner, into, reader);
    return this.read(into).then((count) => reader.heard(count));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#inner.write(bytes);
  }

  writeFor(bytes: Uint8Array, writer: Writer): Promise<void> {
    return writeFor(this.#inner, bytes, writer);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#inner.close();
  }
}
