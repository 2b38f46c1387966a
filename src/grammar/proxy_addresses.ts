/**
 * What a PROXY protocol header says, in either version (HAProxy's doc/proxy-protocol.txt).
 *
 * @module
 */
import { mapIpv4, parseIp, unmapIpv4 } from "../bytes/ip_address.ts";

/** An address and port as text and number. Anything but an IP address as host (`unix:`) has no place in a header. */
export interface ProxyEndpoint {
  readonly host: string;
  readonly port: number;
}

/** A type-length-value field of version 2. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** A header. Addresses are in the form of RFC 5952; an IPv4-mapped one is given as IPv4. */
export type ProxyHeader =
  /** The balancer speaks for itself, as in a health check. */
  | { readonly kind: "local" }
  /** There is a client whose addresses are not known, or not of TCP. */
  | { readonly kind: "unknown" }
  | {
    readonly kind: "addresses";
    readonly source: ProxyEndpoint;
    readonly destination: ProxyEndpoint;
    readonly tlvs: readonly ProxyTlv[];
  };

/** `too_long`: over 107 octets (version 1) or 4096 (version 2). `checksum`: the CRC-32C does not fit. */
export type ProxyFaultCode = "malformed" | "too_long" | "checksum";

/** Both addresses in one family, IPv4 where possible (spec §4.5); null when one is no IP address. */
export function pairAddresses(
  client: ProxyEndpoint,
  local: ProxyEndpoint,
): { client: Uint8Array; local: Uint8Array } | null {
  const from = parseIp(client.host);
  const to = parseIp(local.host);
  if (from === null || to === null) return null;
  const both = { client: unmapIpv4(from), local: unmapIpv4(to) };
  if (both.client.length === both.local.length) return both;
  return { client: mapIpv4(both.client), local: mapIpv4(both.local) };
}
