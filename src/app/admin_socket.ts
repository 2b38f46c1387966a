/**
 * The listening socket of the admin listener (`admin_listen`).
 *
 * @module
 */
import type { SocketAddress } from "../ports/transport.ts";

/** For the owner of the process alone: whoever may connect may end sessions. */
const SOCKET_UMASK = 0o177;

/** A running HTTP server. */
export interface HttpServer {
  /** Where it listens, with the kernel's port where 0 was asked for. */
  readonly address: SocketAddress;
  /** Ends all of its connections and stops listening. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves HTTP on `address`.
 * @throws {Deno.errors.AddrInUse} when somebody else listens there.
 */
export async function serveHttp(
  address: SocketAddress,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  const stopping = new AbortController();
  const options = { signal: stopping.signal, onListen: () => {} };
  let server: Deno.HttpServer<Deno.Addr>;
  if (address.kind === "unix") {
    await removeStaleSocket(address.path);
    server = withUmask(SOCKET_UMASK, () => Deno.serve({ ...options, path: address.path }, handler));
  } else {
    server = Deno.serve({ ...options, hostname: address.host, port: address.port }, handler);
  }
  return {
    address: address.kind === "unix" ? address : { ...address, port: (server.addr as Deno.NetAddr).port },
    close: async () => {
      stopping.abort();
      await server.finished;
      if (address.kind === "unix") await Deno.remove(address.path).catch(ignoreMissing);
    },
  };
}

/** A mode that is set after the socket is there would come too late for who connects meanwhile. */
function withUmask<T>(mask: number, open: () => T): T {
  // Windows has no such thing.
  if (Deno.build.os === "windows") return open();
  const before = Deno.umask(mask);
  try {
    return open();
  } finally {
    Deno.umask(before);
  }
}

/** A socket file outlives its process; it may go when nobody answers on it. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path).catch(ignoreMissing);
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
