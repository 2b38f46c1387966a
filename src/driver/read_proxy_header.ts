import { ipInRange, parseIp } from "../bytes/ip_address.ts";
import type { AddressRange } from "../config/settings.ts";
import { type ProxyHeader, type ProxyHeaderFault, ProxyHeaderReader } from "../grammar/proxy_header.ts";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import { PrefixedTransport } from "./prefixed_transport.ts";

/** A header and the transport that goes on behind it; null when the connection ended before. */
export type ReadProxyHeader =
  | { readonly header: ProxyHeader | ProxyHeaderFault; readonly transport: Transport }
  | null;

/**
 * Reads a PROXY header in any segmentation. What came behind it belongs to TLS or SMTP and is read again.
 * @throws {ConnectionError}
 */
export async function readProxyHeader(transport: Transport, buffer: Uint8Array): Promise<ReadProxyHeader> {
  const reader = new ProxyHeaderReader();
  let header = reader.next();
  while (header === null) {
    const count = await transport.read(buffer);
    if (count === null) return null;
    reader.feed(buffer.subarray(0, count));
    header = reader.next();
  }
  const rest = reader.takeRest();
  return { header, transport: rest.length === 0 ? transport : new PrefixedTransport(rest, transport) };
}

/** Whether `peer` is in one of the `ranges` (`set_real_ip_from`). */
export function isTrusted(ranges: readonly AddressRange[], peer: SocketAddress): boolean {
  if (peer.kind === "unix") return ranges.some((range) => range.kind === "unix");
  const address = parseIp(peer.host);
  if (address === null) return false;
  return ranges.some((range) => range.kind === "ip" && ipInRange(address, range.address, range.prefix));
}
