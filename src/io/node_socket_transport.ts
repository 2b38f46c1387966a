import type { Socket } from "node:net";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import { closedError, toConnectionError } from "./connection_errors.ts";
import { ReceivedOctets } from "./tls_transport.ts";

/**
 * A {@linkcode Transport} over a connected TCP socket of `node:net`, which costs more than one of Deno and can do what
 * that cannot. The socket was made with `allowHalfOpen`.
 */
export class NodeSocketTransport implements Transport {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls = null;
  readonly #socket: Socket;
  readonly #received = new ReceivedOctets();
  #closed = false;
  #writeEnded = false;

  constructor(socket: Socket, remote: SocketAddress) {
    this.#socket = socket;
    this.remote = remote;
    this.local = { kind: "tcp", host: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    // Octets come when they are asked for, or the peer would fill our memory.
    socket.pause();
    socket.on("data", (chunk: Uint8Array) => {
      this.#received.push(chunk);
      socket.pause();
    });
    socket.on("end", () => this.#received.end());
    // These stay for the life of the socket: an 'error' event that nobody hears would end the process.
    socket.on("error", (error) => this.#received.fail(() => toConnectionError(error, "read")));
    socket.on("close", () => this.#received.fail(closedError));
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#closed) throw closedError();
      const octets = this.#received.take(into);
      if (octets !== undefined) return octets;
      const arrival = this.#received.arrival();
      this.#socket.resume();
      await arrival;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#closed || this.#writeEnded) throw closedError();
    const error = await new Promise<Error | null | undefined>((resolve) => {
      this.#socket.once("close", gone);
      this.#socket.write(bytes, (error) => {
        this.#socket.off("close", gone);
        resolve(error);
      });
      function gone() {
        resolve(new Error("connection lost"));
      }
    });
    if (this.#closed) throw closedError();
    if (error) throw toConnectionError(error, "write");
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#writeEnded) return;
    this.#writeEnded = true;
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once("close", resolve);
      this.#socket.end(resolve);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#received.fail(closedError);
    this.#socket.destroy();
  }
}
