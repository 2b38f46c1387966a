/**
 * Peers that can reset their connections, which Deno's own sockets cannot: over `node:net`.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import { within } from "./patience.ts";
import type { PeerStream } from "./peer_stream.ts";
import { UpstreamDialogue } from "./scripted_upstream.ts";

/** One connection. It reads no further ahead than the buffer of a socket. */
export class ResettableStream implements PeerStream {
  readonly #socket: net.Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // An error reaches the pending read or write; without a listener it would end the process as well.
    socket.on("error", () => {});
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  /** Connects to a loopback port. */
  static async connect(port: number): Promise<ResettableStream> {
    const socket = net.connect({ host: "127.0.0.1", port });
    await once(socket, "connect");
    return new ResettableStream(socket);
  }

  async read(): Promise<Uint8Array | null> {
    const { value, done } = await this.#chunks.next();
    return done === true ? null : value;
  }

  write(octets: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(octets, (error) => error ? reject(error) : resolve());
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once("close", () => resolve()); // an error on the way ends the wait, too
      this.#socket.end(() => resolve());
    });
  }

  close(): Promise<void> {
    return this.#gone(() => this.#socket.destroy());
  }

  /** Sends RST. */
  reset(): Promise<void> {
    return this.#gone(() => this.#socket.resetAndDestroy());
  }

  async #gone(leave: () => void): Promise<void> {
    if (this.#socket.closed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    leave();
    await closed;
  }
}

/** A mail server that follows one script for each of its connections, and tells at its end what failed in one. */
export class ResettableUpstream {
  readonly #server: net.Server;
  readonly #running = new Set<Promise<void>>();
  readonly #streams = new Set<ResettableStream>();
  readonly #failures: unknown[] = [];

  private constructor(script: (peer: UpstreamDialogue, stream: ResettableStream) => Promise<void>) {
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const stream = new ResettableStream(socket);
      this.#streams.add(stream);
      const running: Promise<void> = script(new UpstreamDialogue(stream), stream)
        .catch((error) => void this.#failures.push(error))
        .then(() => stream.close())
        .finally(() => {
          this.#streams.delete(stream);
          this.#running.delete(running);
        });
      this.#running.add(running);
    });
  }

  /** Listens on a loopback port. */
  static async listen(
    script: (peer: UpstreamDialogue, stream: ResettableStream) => Promise<void>,
  ): Promise<ResettableUpstream> {
    const upstream = new ResettableUpstream(script);
    upstream.#server.listen(0, "127.0.0.1");
    await once(upstream.#server, "listening");
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Waits until every script has come to its end. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const stream of this.#streams) await stream.close();
    await within(Promise.all([closed, ...this.#running]), () => "a mail server does not end");
  }
}
