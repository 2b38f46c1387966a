/** An address of a socket, as far as its text is concerned. */
type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An address as configuration and logs have it: `192.0.2.1:25`, `[2001:db8::1]:25`, `unix:/run/smtp.sock`. */
export function formatSocketAddress(address: Address): string {
  return address.kind === "unix" ? `unix:${address.path}` : `${bracketed(address.host)}:${address.port}`;
}

/** A host as it stands before a port: IPv6 addresses in brackets. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
