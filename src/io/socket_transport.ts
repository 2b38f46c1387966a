import type { SocketAddress, TlsFacts, Transport } from "../ports/transport.ts";
import { closedError, toConnectionError } from "./connection_errors.ts";
import { toSocketAddress } from "./socket_address.ts";

/** A {@linkcode Transport} over a TCP or Unix socket of Deno, or over a TLS connection of `Deno.startTls`. */
export class SocketTransport implements Transport {
  readonly tls: TlsFacts | null;
  readonly #socket: Deno.Conn;
  #local: SocketAddress | null = null;
  #remote: SocketAddress | null = null;
  #closed = false;
  #handedOver = false;
  #heir: { close(): void } | null = null;
  #writeEnded = false;

  constructor(socket: Deno.Conn, tls: TlsFacts | null = null) {
    this.#socket = socket;
    this.tls = tls;
    // Replies are small and each waits for the other side: Nagle's algorithm would delay every second one.
    if (isTcp(socket)) setNoDelay(socket);
  }

  get local(): SocketAddress {
    return this.#local ??= toSocketAddress(this.#socket.localAddr);
  }

  get remote(): SocketAddress {
    return this.#remote ??= toSocketAddress(this.#socket.remoteAddr);
  }

  // Reads and writes are most of what is done for a session: one promise more each, and no async function.

  read(into: Uint8Array): Promise<number | null> {
    return this.#socket.read(into).then(undefined, (error) => this.#fail(error, "read"));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#socket.write(bytes).then((written) => {
      if (written < bytes.length) return this.write(bytes.subarray(written));
    }, (error) => this.#fail(error, "write"));
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#handedOver || this.#writeEnded) return;
    this.#writeEnded = true;
    try {
      await this.#socket.closeWrite();
    } catch {
      // The peer may have reset the connection before; the next read says so.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#handedOver) this.#heir?.close();
      else this.#socket.close();
    } catch {
      // The runtime has released the socket already.
    }
  }

  /**
   * Gives the TCP socket away to the layer that `wrap` puts over it; this transport cannot be used afterwards, but
   * closing it closes the new layer. Null when there is no plain TCP socket to give.
   */
  handOver<Layer extends { close(): void }>(
    wrap: (socket: Deno.TcpConn) => Promise<Layer>,
  ): Promise<Layer> | null {
    if (this.#closed || this.#handedOver || this.tls !== null || !isTcp(this.#socket)) return null;
    this.#handedOver = true;
    return wrap(this.#socket).then((layer) => {
      this.#heir = layer;
      if (this.#closed) layer.close();
      return layer;
    });
  }

  #fail(error: unknown, doing: string): never {
    throw this.#closed || this.#handedOver ? closedError() : toConnectionError(error, doing);
  }
}

function isTcp(socket: Deno.Conn): socket is Deno.TcpConn {
  return "setNoDelay" in socket;
}

function setNoDelay(socket: Deno.TcpConn): void {
  try {
    socket.setNoDelay(true);
  } catch {
    // The peer was gone before the connection was accepted; the first read says so.
  }
}
