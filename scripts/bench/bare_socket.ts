import { readSocket, resourceOf, writeSocket } from "../../src/io/socket_resource.ts";

/** A socket that is read and written as Postern does it, with as little around it as can be. */
export class BareSocket {
  readonly #socket: Deno.Conn;
  readonly #resource: number | null;

  constructor(socket: Deno.Conn) {
    this.#socket = socket;
    this.#resource = resourceOf(socket);
  }

  /** 0 or null at the end. */
  read(into: Uint8Array): Promise<number | null> {
    return readSocket(this.#socket, this.#resource, into);
  }

  write(octets: Uint8Array): Promise<number> {
    return writeSocket(this.#socket, this.#resource, octets);
  }

  close(): void {
    this.#socket.close();
  }
}
