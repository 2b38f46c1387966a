import type { ConnectionError, Reader, SocketAddress, Transport, Writer } from "../ports/transport.ts";
import { closedError, toConnectionError } from "./connection_errors.ts";
import { knownSocketAddress, toSocketAddress } from "./socket_address.ts";
import {
  closeSocket,
  readSocket,
  shutdownSocket,
  type Socket,
  socketOf,
  writeSocket,
} from "./socket_resource.ts";

/** A {@linkcode Transport} over a TCP or Unix socket of Deno. */
export class SocketTransport implements Transport {
  readonly tls = null;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #socket: Socket;
  #closed = false;
  #writeEnded = false;
  /** What is being written, and for whom. */
  #writing: Uint8Array = NOTHING;
  #writer: Writer = NOBODY;
  /** For whom is read. */
  #reader: Reader | null = null;
  // What is done when reads and writes have settled, made at the first of them.
  #heard: ((count: number | null) => number | null | Promise<number | null>) | null = null;
  #lost: ((error: unknown) => number | null) | null = null;
  #written: ((octets: number) => Promise<void> | undefined) | null = null;
  #notWritten: ((error: unknown) => void) | null = null;

  /** `local` is the address that another connection of the same listener had, if there is one. */
  constructor(conn: Deno.Conn, local: SocketAddress | null = null) {
    this.local = knownSocketAddress(conn.localAddr, local);
    this.remote = toSocketAddress(conn.remoteAddr);
    this.#socket = socketOf(conn);
    // Replies are small and each waits for the other side: Nagle's algorithm would delay every second one.
    if (isTcp(conn)) setNoDelay(conn);
  }

  // Reads and writes are most of what is done for a session: one promise more each, no async function and no closure.

  read(into: Uint8Array): Promise<number | null> {
    return readSocket(this.#socket, into).then(octetsOrEnd, readFailed);
  }

  readFor(into: Uint8Array, reader: Reader): Promise<number | null> {
    this.#reader = reader;
    return readSocket(this.#socket, into).then(
      this.#heard ??= (count) => this.#reader!.heard(octetsOrEnd(count)),
      this.#lost ??= (error) => this.#reader!.lost(failure(error, "read")),
    );
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.writeFor(bytes, NOBODY);
  }

  writeFor(bytes: Uint8Array, writer: Writer): Promise<void> {
    this.#writing = bytes;
    this.#writer = writer;
    return writeSocket(this.#socket, bytes).then(
      this.#written ??= (octets) => this.#writeRest(octets),
      this.#notWritten ??= (error) => this.#writer.notWritten(failure(error, "write")),
    );
  }

  #writeRest(written: number): Promise<void> | undefined {
    const bytes = this.#writing;
    if (written < bytes.length) return this.writeFor(bytes.subarray(written), this.#writer);
    // It need not be kept while nothing is written, as for most of the time of most connections.
    this.#writing = NOTHING;
    return this.#writer.written();
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#writeEnded) return;
    this.#writeEnded = true;
    try {
      await shutdownSocket(this.#socket);
    } catch {
      // The peer may have reset the connection before; the next read says so.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      closeSocket(this.#socket);
    } catch {
      // The runtime has released the socket already.
    }
  }
}

const NOTHING = new Uint8Array(0);

/** Who awaits the write is the first to hear of it. */
const NOBODY: Writer = {
  written: () => undefined,
  notWritten(error) {
    throw error;
  },
};

function octetsOrEnd(octets: number | null): number | null {
  return octets === 0 ? null : octets;
}

function readFailed(error: unknown): never {
  throw failure(error, "read");
}

/** What the runtime says of a socket that we closed tells nothing more than that. */
function failure(error: unknown, doing: string): ConnectionError {
  const lost = toConnectionError(error, doing);
  return lost.code === "closed" ? closedError() : lost;
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
