/**
 * The runtime's reads and writes of a socket, without the object around it.
 *
 * `Deno.Conn` puts an async function and an entry in a set of its own around every read. A session makes dozens of
 * them. What does the work takes the socket's number in the runtime's table; as no number is given twice, one that is
 * closed is an error as ever. It is not part of the documented interface: where it is not found as it is used here, the
 * methods of `Deno.Conn` are.
 *
 * @module
 */

interface Core {
  /** 0 at the end. */
  read(resource: number, into: Uint8Array): Promise<number>;
  write(resource: number, bytes: Uint8Array): Promise<number>;
  readonly internalRidSymbol: symbol;
}

const CORE = findCore();

function findCore(): Core | null {
  const runtime = Deno as unknown as
    & { readonly internal?: symbol }
    & Record<symbol, { core?: Partial<Core> }>;
  const core = typeof runtime.internal === "symbol" ? runtime[runtime.internal]?.core : undefined;
  const whole = typeof core?.read === "function" && typeof core.write === "function" &&
    typeof core.internalRidSymbol === "symbol";
  return whole ? core as Core : null;
}

/** The socket's number, or null where the runtime does not say it. */
export function resourceOf(socket: Deno.Conn): number | null {
  if (CORE === null) return null;
  const resource = (socket as unknown as Record<symbol, unknown>)[CORE.internalRidSymbol];
  return typeof resource === "number" ? resource : null;
}

/**
 * Reads as `Deno.Conn.read` does, but that the end is 0 or null, so `into` must have room; `resource` is what
 * {@linkcode resourceOf} said.
 */
export function readSocket(
  socket: Deno.Conn,
  resource: number | null,
  into: Uint8Array,
): Promise<number | null> {
  return resource === null ? socket.read(into) : CORE!.read(resource, into);
}

/** Writes as `Deno.Conn.write` does. */
export function writeSocket(socket: Deno.Conn, resource: number | null, bytes: Uint8Array): Promise<number> {
  return resource === null ? socket.write(bytes) : CORE!.write(resource, bytes);
}
