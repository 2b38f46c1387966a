import type { Config, ListenSettings } from "../config/settings.ts";
import type { SocketAddress } from "../ports/transport.ts";

/**
 * `next` with the ports that the kernel chose for `current`, whose listeners have `addresses`: the first listener on
 * port 0 of a host is the first one of that host still, and so on.
 */
export function pinPorts(next: Config, current: Config, addresses: readonly SocketAddress[]): Config {
  const chosen = new Map<string, SocketAddress[]>();
  listenersOf(current).forEach((listener, at) => {
    if (!isOpen(listener)) return;
    const known = chosen.get(listener.text);
    if (known === undefined) chosen.set(listener.text, [addresses[at]!]);
    else known.push(addresses[at]!);
  });
  if (chosen.size === 0) return next;
  const pin = (listener: ListenSettings): ListenSettings => {
    const address = isOpen(listener) ? chosen.get(listener.text)?.shift() : undefined;
    return address === undefined ? listener : { ...listener, address };
  };
  return { ...next, servers: next.servers.map((server) => ({ ...server, listen: server.listen.map(pin) })) };
}

function listenersOf({ servers }: Config): readonly ListenSettings[] {
  return servers.flatMap(({ listen }) => listen);
}

/** Whether the configuration leaves the port to the kernel; the text stays as it was written when one is known. */
function isOpen({ text, address }: ListenSettings): boolean {
  return address.kind === "tcp" && text.endsWith(":0");
}
