import { formatIp, parseIp, unmapIpv4 } from "../bytes/ip_address.ts";

/** How many bits of an address tell one client from another. */
export interface NetworkPrefixes {
  readonly limit_ipv4_prefix: number;
  readonly limit_ipv6_prefix: number;
}

/**
 * The network that a client's counts are kept for, such as `192.0.2.7` or `2001:db8:1:2::/64`: who has one IPv6 address
 * has the 2^64 of its network (RFC 6177). Null for what has no address.
 */
export function networkOf(host: string, prefixes: NetworkPrefixes): string | null {
  const parsed = parseIp(host);
  if (parsed === null) return null;
  const address = unmapIpv4(parsed);
  const prefix = address.length === 4 ? prefixes.limit_ipv4_prefix : prefixes.limit_ipv6_prefix;
  if (prefix === address.length * 8) return formatIp(address);
  return `${formatIp(address.map((octet, at) => octet & maskOf(prefix - 8 * at)))}/${prefix}`;
}

/** The octet that keeps its first `bits` bits. */
function maskOf(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}
