import type { SocketAddress } from "../ports/transport.ts";

/** An address for logs and comparison: `192.0.2.1:25`, `[2001:db8::1]:25`, `unix:/run/smtp.sock`. */
export function addressText(address: SocketAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Host and port of a peer; a Unix client is `unix:` with port 0, as nginx calls it. */
export function clientHostPort(address: SocketAddress): { readonly host: string; readonly port: number } {
  return address.kind === "tcp" ? { host: address.host, port: address.port } : { host: "unix:", port: 0 };
}
