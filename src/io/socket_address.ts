import type { SocketAddress } from "../ports/transport.ts";

/** An address of the runtime in the form of the configuration; IPv4 in IPv6 (`::ffff:192.0.2.1`) becomes IPv4. */
export function toSocketAddress(address: Deno.Addr): SocketAddress {
  if (address.transport === "tcp" || address.transport === "udp") {
    return { kind: "tcp", host: plainHost(address.hostname), port: address.port };
  }
  return { kind: "unix", path: "path" in address ? address.path ?? "" : "" };
}

/** The address of `address`: `known`, where that is the same one. Most connections of a listener come to one address. */
export function knownSocketAddress(address: Deno.Addr, known: SocketAddress | null): SocketAddress {
  const made = toSocketAddress(address);
  return known?.kind === "tcp" && made.kind === "tcp" && made.host === known.host && made.port === known.port
    ? known
    : made;
}

function plainHost(host: string): string {
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
}
