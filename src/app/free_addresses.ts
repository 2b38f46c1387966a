import type { ListenSettings } from "../config/settings.ts";
import { openListener } from "../io/listener.ts";
import type { SocketAddress } from "../ports/transport.ts";

/**
 * Opens each port alone for a moment. Sockets that share a port do so with those of any other process of the same
 * user: a second Postern would take half of the connections instead of being told that the address is in use.
 * (With the parameter `reuseport` that is wanted.) `own` are the addresses of this process, on whose ports nothing can be found out.
 * @throws {ListenError}
 */
export async function checkFree(
  listeners: readonly ListenSettings[],
  own: readonly SocketAddress[],
): Promise<void> {
  const ownPorts = new Set(own.map(portOf));
  for (const settings of listeners) {
    const port = portOf(settings.address);
    if (port === null || port === 0 || ownPorts.has(port) || settings.reuseport) continue;
    (await openListener(settings, { reusePort: false })).close();
  }
}

function portOf(address: SocketAddress): number | null {
  return address.kind === "tcp" ? address.port : null;
}
