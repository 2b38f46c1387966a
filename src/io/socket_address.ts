import type { SocketAddress } from "../ports/transport.ts";

/** An address of the runtime in the form of the configuration; IPv4 in IPv6 (`::ffff:192.0.2.1`) becomes IPv4. */
export function toSocketAddress(address: Deno.Addr): SocketAddress {
  if (address.transport === "tcp" || address.transport === "udp") {
    return { kind: "tcp", host: plainHost(address.hostname), port: address.port };
  }
  return { kind: "unix", path: "path" in address ? address.path ?? "" : "" };
}

/** `192.0.2.1:25`, `[2001:db8::1]:25` or `unix:/path`, for logs and error texts. */
export function formatSocketAddress(address: SocketAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function plainHost(host: string): string {
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
}
