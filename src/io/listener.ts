/**
 * Listening sockets.
 *
 * A wildcard socket of the runtime takes every address of its port (`[::]` takes IPv4 too), so a second socket on that
 * port cannot be opened. As nginx does, only the wildcard is opened then, and the local address of each connection
 * tells whose it is.
 *
 * @module
 */
import type { ListenSettings } from "../config/settings.ts";
import type { Listener, SocketAddress, Transport } from "../ports/transport.ts";
import { AcceptLoop, type AcceptSource } from "./accept_loop.ts";
import { SharedSocket } from "./shared_socket.ts";
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
 * Opens all `addresses`, or none: the result has one listener for each, in their order. With `reusePort` other workers
 * may listen on the same TCP addresses and the kernel shares the connections out.
 * @throws {ListenError}
 */
export async function listen(
  addresses: readonly ListenSettings[],
  options: { readonly reusePort: boolean },
): Promise<Listener[]> {
  const wildcards = new Map<ListenSettings, SharedSocket>();
  const opened: { close(): void }[] = [];
  const listeners = new Map<ListenSettings, Listener>();
  try {
    for (const settings of addresses.toSorted(wildcardsFirst)) {
      const shared = wildcards.entries().find(([wildcard]) => covers(wildcard, settings))?.[1];
      if (shared !== undefined) {
        listeners.set(settings, shared.claim(settings.address));
        continue;
      }
      const loop = await open(settings, options.reusePort);
      opened.push(loop);
      if (addresses.some((other) => other !== settings && covers(settings, other))) {
        const socket = new SharedSocket(loop, settings.backlog);
        wildcards.set(settings, socket);
        listeners.set(settings, socket.claim(settings.address));
      } else {
        listeners.set(settings, loop);
      }
    }
  } catch (error) {
    for (const socket of opened) socket.close();
    throw error;
  }
  return addresses.map((settings) => listeners.get(settings)!);
}

async function open(settings: ListenSettings, reusePort: boolean): Promise<AcceptLoop> {
  try {
    const { address, backlog } = settings;
    if (address.kind === "unix") {
      const socket = await openUnixSocket(address.path);
      return new AcceptLoop(toSource(socket), address);
    }
    const socket = Deno.listen({
      hostname: address.host,
      port: address.port,
      tcpBacklog: backlog,
      reusePort,
    });
    return new AcceptLoop(toSource(socket), toSocketAddress(socket.addr));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ListenError(listenErrorCode(error), `Cannot listen on ${settings.text}: ${reason}`, {
      cause: error,
    });
  }
}

function toSource(socket: { accept(): Promise<Deno.Conn>; close(): void }): AcceptSource {
  return {
    accept: async (): Promise<Transport> => new SocketTransport(await socket.accept()),
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

/** Whether a socket on `wide` also gets the connections for `narrow`. Port 0 is another port each time. */
function covers(wide: ListenSettings, narrow: ListenSettings): boolean {
  const [w, n] = [wide.address, narrow.address];
  if (w.kind === "unix" || n.kind === "unix" || w.port !== n.port || w.port === 0) return false;
  return w.host === "::"
    ? n.host !== "::"
    : w.host === "0.0.0.0" && n.host !== "0.0.0.0" && !n.host.includes(":");
}

/** `[::]` before `0.0.0.0` before all others. */
function wildcardsFirst(a: ListenSettings, b: ListenSettings): number {
  return rank(a.address) - rank(b.address);
}

function rank(address: SocketAddress): number {
  if (address.kind === "unix") return 2;
  return address.host === "::" ? 0 : address.host === "0.0.0.0" ? 1 : 2;
}
