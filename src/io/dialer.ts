import type { SocketAddress, Transport } from "../ports/transport.ts";
import { toConnectionError } from "./connection_errors.ts";
import { formatSocketAddress } from "./socket_address.ts";
import { SocketTransport } from "./socket_transport.ts";

export async function connect(target: SocketAddress, signal: AbortSignal): Promise<Transport> {
  try {
    signal.throwIfAborted();
    const socket = target.kind === "tcp"
      ? await Deno.connect({ hostname: target.host, port: target.port, signal })
      : await Deno.connect({ transport: "unix", path: target.path });
    return new SocketTransport(socket);
  } catch (error) {
    throw toConnectionError(error, `connect to ${formatSocketAddress(target)}`);
  }
}
