import { closeSocket, readSocket, type Socket, socketOf, writeSocket } from "../../src/io/socket_resource.ts";

/** A socket that is read and written as Postern does it, with as little around it as can be. */
export class BareSocket {
  readonly #socket: Socket;

  constructor(conn: Deno.Conn) {
    this.#socket = socketOf(conn);
  }

  /** 0 or null at the end. */
  read(into: Uint8Array): Promise<number | null> {
    return readSocket(this.#socket, into);
  }

  write(octets: Uint8Array): Promise<number> {
    return writeSocket(this.#socket, octets);
  }

  close(): void {
    closeSocket(this.#socket);
  }
}
