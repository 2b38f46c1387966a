/**
 * The runtime's sockets, without the object around each.
 *
 * `Deno.Conn` puts an async function and an entry in a set of its own around every read, of which a session makes
 * dozens, and holds two addresses, each an object with a hash table. What does the work takes the socket's number in
 * the runtime's table; as no number is given twice, one that is closed is an error as ever. It is not part of the
 * documented interface: where it is not found as it is used here, `Deno.Conn` is kept, and its methods are used.
 *
 * @module
 */

interface Core {
  /** 0 at the end. */
  read(resource: number, into: Uint8Array): Promise<number>;
  write(resource: number, bytes: Uint8Array): Promise<number>;
  shutdown(resource: number): Promise<void>;
  close(resource: number): void;
  readonly internalRidSymbol: symbol;
}

const CORE = findCore();

function findCore(): Core | null {
  const runtime = Deno as unknown as
    & { readonly internal?: symbol }
    & Record<symbol, { core?: Partial<Core> }>;
  const core = typeof runtime.internal === "symbol" ? runtime[runtime.internal]?.core : undefined;
  const methods = [core?.read, core?.write, core?.shutdown, core?.close];
  const whole = methods.every((method) => typeof method === "function") &&
    typeof core?.internalRidSymbol === "symbol";
  return whole ? core as Core : null;
}

/** A connected socket: its number, or the runtime's object. */
export type Socket = number | Deno.Conn;

/** What `conn` is used by from now on, which itself need not be kept. */
export function socketOf(conn: Deno.Conn): Socket {
  if (CORE === null) return conn;
  const resource = (conn as unknown as Record<symbol, unknown>)[CORE.internalRidSymbol];
  return typeof resource === "number" ? resource : conn;
}

/** Reads as `Deno.Conn.read` does, but that the end is 0 or null, so `into` must have room. */
export function readSocket(socket: Socket, into: Uint8Array): Promise<number | null> {
  return typeof socket === "number" ? CORE!.read(socket, into) : socket.read(into);
}

/** Writes as `Deno.Conn.write` does. */
export function writeSocket(socket: Socket, bytes: Uint8Array): Promise<number> {
  return typeof socket === "number" ? CORE!.write(socket, bytes) : socket.write(bytes);
}

/** Ends our direction as `Deno.Conn.closeWrite` does. */
export function shutdownSocket(socket: Socket): Promise<void> {
  return typeof socket === "number" ? CORE!.shutdown(socket) : socket.closeWrite();
}

/** Closes as `Deno.Conn.close` does. */
export function closeSocket(socket: Socket): void {
  if (typeof socket === "number") CORE!.close(socket);
  else socket.close();
}
