/**
 * Version 1 of the PROXY protocol, a line of text (doc/proxy-protocol.txt §2.1).
 *
 * @module
 */
import { formatIp, parseIp, unmapIpv4 } from "../bytes/ip_address.ts";
import { encodeLatin1 } from "../bytes/latin1.ts";
import { pairAddresses, type ProxyEndpoint, type ProxyHeader } from "./proxy_addresses.ts";

/** Longest line, CRLF included (§2.1). */
export const V1_MAX_OCTETS = 107;
export const V1_PREFIX: Uint8Array = encodeLatin1("PROXY ");

const ADDRESS_LINE = /^PROXY TCP([46]) ([^ ]+) ([^ ]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n$/;
const UNKNOWN_LINE = /^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/;

/** Reads a line with its end; null when it is malformed. */
export function parseProxyV1(line: string): ProxyHeader | null {
  const match = ADDRESS_LINE.exec(line);
  if (match === null) return UNKNOWN_LINE.test(line) ? { kind: "unknown" } : null;
  const octets = match[1] === "4" ? 4 : 16;
  const source = parseEndpoint(match[2] ?? "", match[4] ?? "", octets);
  const destination = parseEndpoint(match[3] ?? "", match[5] ?? "", octets);
  if (source === null || destination === null) return null;
  return { kind: "addresses", source, destination, tlvs: [] };
}

function parseEndpoint(host: string, port: string, octets: number): ProxyEndpoint | null {
  const address = parseIp(host);
  if (address?.length !== octets || Number(port) > 0xffff) return null;
  return { host: formatIp(unmapIpv4(address)), port: Number(port) };
}

/**
 * Writes the line with its CRLF (spec §4.5). `local` is the address the client connected to. Where one of both is
 * IPv4 and the other IPv6, both are written as IPv6: a line of mixed families, as nginx writes it, is refused.
 */
export function formatProxyV1(client: ProxyEndpoint, local: ProxyEndpoint): string {
  const pair = pairAddresses(client, local);
  if (pair === null) return "PROXY UNKNOWN\r\n";
  const family = pair.client.length === 4 ? "TCP4" : "TCP6";
  const addresses = `${formatIp(pair.client)} ${formatIp(pair.local)}`;
  return `PROXY ${family} ${addresses} ${client.port} ${local.port}\r\n`;
}
