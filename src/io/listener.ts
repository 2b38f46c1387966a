/**
 * One listening socket.
 *
 * @module
 */
import type { ListenSettings } from "../config/settings.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { AcceptLoop, type AcceptSource } from "./accept_loop.ts";
import { toSocketAddress } from "./socket_address.ts";
import { SocketTransport } from "./socket_transport.ts";
import { openUnixSocket } from "./unix_socket.ts";

/** Why an address cannot be listened on. */
export type ListenErrorCode = "in_use" | "denied" | "not_available" | "other";

/** A listening socket could not be opened. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: ListenErrorCode;
  constructor(code: ListenErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Listens on the address of `settings`. With `reusePort` others that say so too (threads, and processes of the same
 * user) may listen on the same TCP address, and the kernel shares the connections out.
 * @throws {ListenError}
 */
export async function openListener(
  settings: ListenSettings,
  { reusePort, failed }: {
    readonly reusePort: boolean;
    /** Told why connections cannot be accepted. */
    readonly failed?: (reason: string) => void;
  },
): Promise<AcceptLoop> {
  try {
    const { address, backlog, reuseport } = settings;
    if (address.kind === "unix") {
      const socket = await openUnixSocket(address.path, reuseport);
      return new AcceptLoop(toSource(socket), address, failed);
    }
    const socket = Deno.listen({
      hostname: address.host,
      port: address.port,
      tcpBacklog: backlog,
      reusePort,
    });
    return new AcceptLoop(toSource(socket), toSocketAddress(socket.addr), failed);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ListenError(listenErrorCode(error), `Cannot listen on ${settings.text}: ${reason}`, {
      cause: error,
    });
  }
}

function toSource(socket: { accept(): Promise<Deno.Conn>; close(): void }): AcceptSource {
  let local: SocketAddress | null = null;
  const toTransport = (conn: Deno.Conn) => {
    const transport = new SocketTransport(conn, local);
    local = transport.local;
    return transport;
  };
  return {
    accept: () => socket.accept().then(toTransport),
    close: () => socket.close(),
  };
}

function listenErrorCode(error: unknown): ListenErrorCode {
  if (error instanceof Deno.errors.AddrInUse) return "in_use";
  if (error instanceof Deno.errors.AddrNotAvailable) return "not_available";
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "denied";
  }
  return "other";
}
