import { decodeLatin1 } from "../bytes/latin1.ts";
import type { Dialer, SocketAddress, Transport, UpstreamTlsOptions } from "../ports/transport.ts";

/** A dialer whose connections keep what is sent and received inside of TLS, as byte strings. */
export class RecordingDialer implements Dialer {
  readonly #dialer: Dialer;
  #sent = "";
  #received = "";

  constructor(dialer: Dialer) {
    this.#dialer = dialer;
  }

  /** All that was sent over all connections. */
  get sent(): string {
    return this.#sent;
  }

  /** All that was received. */
  get received(): string {
    return this.#received;
  }

  async connect(target: SocketAddress, signal: AbortSignal): Promise<Transport> {
    return this.#record(await this.#dialer.connect(target, signal));
  }

  resolve(target: SocketAddress, signal: AbortSignal): Promise<readonly SocketAddress[]> {
    return this.#dialer.resolve(target, signal);
  }

  async startTls(plain: Transport, options: UpstreamTlsOptions): Promise<Transport> {
    const inner = plain instanceof RecordedTransport ? plain.inner : plain;
    return this.#record(await this.#dialer.startTls(inner, options));
  }

  #record(inner: Transport): Transport {
    return new RecordedTransport(inner, {
      sent: (bytes) => this.#sent += decodeLatin1(bytes),
      received: (bytes) => this.#received += decodeLatin1(bytes),
    });
  }
}

interface Recorder {
  readonly sent: (bytes: Uint8Array) => void;
  readonly received: (bytes: Uint8Array) => void;
}

class RecordedTransport implements Transport {
  readonly inner: Transport;
  readonly #recorder: Recorder;

  constructor(inner: Transport, recorder: Recorder) {
    this.inner = inner;
    this.#recorder = recorder;
  }

  get local() {
    return this.inner.local;
  }
  get remote() {
    return this.inner.remote;
  }
  get tls() {
    return this.inner.tls;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const count = await this.inner.read(into);
    if (count !== null) this.#recorder.received(into.subarray(0, count));
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#recorder.sent(bytes);
    await this.inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.inner.closeWrite();
  }

  close(): void {
    this.inner.close();
  }
}
