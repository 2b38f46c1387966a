import type { SocketAddress } from "../ports/transport.ts";

const UNIX = Object.freeze({ host: "unix:", port: 0 });

/** Host and port of a peer; a Unix client is `unix:` with port 0, as nginx calls it. */
export function clientHostPort(address: SocketAddress): { readonly host: string; readonly port: number } {
  return address.kind === "tcp" ? { host: address.host, port: address.port } : UNIX;
}
