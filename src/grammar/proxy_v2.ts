/**
 * Version 2 of the PROXY protocol, binary (doc/proxy-protocol.txt §2.2).
 *
 * @module
 */
import { crc32c } from "../bytes/crc32c.ts";
import { formatIp, unmapIpv4 } from "../bytes/ip_address.ts";
import { concatBytes, encodeLatin1, encodeUtf8AsByteString } from "../bytes/latin1.ts";
import type { ProxyEndpoint, ProxyFaultCode, ProxyHeader, ProxyTlv } from "./proxy_addresses.ts";
import { pairAddresses } from "./proxy_addresses.ts";

export const V2_SIGNATURE: Uint8Array = encodeLatin1("\r\n\r\n\0\r\nQUIT\n");
/** Signature, version and command, family and transport, length. */
export const V2_FIXED_OCTETS = 16;
/** nginx reads no more than this either (spec §2.10). */
const MAX_OCTETS = 4096;

const VERSION_LOCAL = 0x20;
const VERSION_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** UNSPEC, UDP over both families, Unix stream and datagram: known to the protocol, of no use for SMTP. */
const WITHOUT_ADDRESSES: ReadonlySet<number> = new Set([0x00, 0x12, 0x22, 0x31, 0x32]);

/** Types of TLVs (§2.2.1 to §2.2.6). */
const Tlv = { alpn: 0x01, authority: 0x02, crc32c: 0x03, ssl: 0x20 } as const;
const SslTlv = { version: 0x21, commonName: 0x22, cipher: 0x23 } as const;

/** Bits of the client field of the SSL TLV (§2.2.6): TLS; a certificate in this connection; in this session. */
const CLIENT_SSL = 0x01;
const CLIENT_CERTIFICATE = 0x02 | 0x04;

/** Names are not longer; a longer value is left out, so that no peer can blow the header up. */
const MAX_VALUE_OCTETS = 255;

/** What a TLS client's connection tells the mail server. Text is ordinary text, null where there is none. */
export interface ProxyTls {
  /** Server name indication. */
  readonly serverName: string | null;
  readonly alpn: string | null;
  /** `TLSv1.3`. */
  readonly protocol: string;
  readonly cipher: string;
  /** Of the client's certificate. */
  readonly commonName: string | null;
  readonly clientCertificate: "none" | "verified" | "failed";
}

/** Length of the whole header from its first 16 octets, or the code of the fault in them. */
export function measureProxyV2(fixed: Uint8Array): number | ProxyFaultCode {
  const [version, family] = [fixed[12] ?? 0, fixed[13] ?? 0];
  if (version !== VERSION_LOCAL && version !== VERSION_PROXY) return "malformed";
  const known = family === TCP4 || family === TCP6 || WITHOUT_ADDRESSES.has(family);
  // The receiver of LOCAL does not look at the family (§2.2).
  if (version === VERSION_PROXY && !known) return "malformed";
  const total = V2_FIXED_OCTETS + readUint(fixed, 14, 2);
  return total > MAX_OCTETS ? "too_long" : total;
}

/** Reads a complete header that {@linkcode measureProxyV2} has passed, or says what is wrong. */
export function parseProxyV2(header: Uint8Array): ProxyHeader | ProxyFaultCode {
  if (header[12] === VERSION_LOCAL) return { kind: "local" };
  if (WITHOUT_ADDRESSES.has(header[13] ?? 0)) return { kind: "unknown" };
  const octets = header[13] === TCP4 ? 4 : 16;
  const ports = V2_FIXED_OCTETS + 2 * octets;
  const tlvs = header.length < ports + 4 ? null : parseTlvs(header, ports + 4);
  if (tlvs === null) return "malformed";
  if (!isChecksumGood(header, tlvs)) return "checksum";
  const host = (at: number) => formatIp(unmapIpv4(header.slice(at, at + octets)));
  return {
    kind: "addresses",
    source: { host: host(V2_FIXED_OCTETS), port: readUint(header, ports, 2) },
    destination: { host: host(V2_FIXED_OCTETS + octets), port: readUint(header, ports + 2, 2) },
    tlvs,
  };
}

/** The TLVs from `start` to the end; null when the last one is cut off. */
function parseTlvs(header: Uint8Array, start: number): ProxyTlv[] | null {
  const tlvs: ProxyTlv[] = [];
  for (let at = start; at < header.length;) {
    const end = at + 3 + readUint(header, at + 1, 2);
    if (end > header.length) return null;
    tlvs.push({ type: header[at] ?? 0, value: header.slice(at + 3, end) });
    at = end;
  }
  return tlvs;
}

/** Whether there is no CRC-32C, or one that fits the header with zeros in its place (§2.2.3). */
function isChecksumGood(header: Uint8Array, tlvs: readonly ProxyTlv[]): boolean {
  const index = tlvs.findIndex((tlv) => tlv.type === Tlv.crc32c);
  const checksum = tlvs[index];
  if (checksum === undefined) return true;
  if (checksum.value.length !== 4 || tlvs.some((tlv, i) => i > index && tlv.type === Tlv.crc32c)) {
    return false;
  }
  const behind = tlvs.slice(index + 1).reduce((octets, tlv) => octets + 3 + tlv.value.length, 0);
  const zeroed = header.slice();
  zeroed.fill(0, header.length - behind - 4, header.length - behind);
  return crc32c(zeroed) === readUint(checksum.value, 0, 4);
}

/**
 * Writes a header as nginx does (spec §4.5): LOCAL where an address is none of IP, else the addresses in one
 * family; for TLS clients (`tls` not null) the TLVs AUTHORITY, ALPN and SSL; CRC-32C at the end.
 */
export function formatProxyV2(
  connection: { client: ProxyEndpoint; local: ProxyEndpoint; tls: ProxyTls | null },
): Uint8Array {
  const { client, local, tls } = connection;
  const pair = pairAddresses(client, local);
  const parts = pair === null ? [] : [pair.client, pair.local, uint(client.port, 2), uint(local.port, 2)];
  if (pair !== null && tls !== null) parts.push(...formatTlsTlvs(tls));
  parts.push(formatTlv(Tlv.crc32c, new Uint8Array(4)));
  const body = concatBytes(parts);
  const family = pair === null ? 0 : pair.client.length === 4 ? TCP4 : TCP6;
  const version = pair === null ? VERSION_LOCAL : VERSION_PROXY;
  const header = concatBytes([V2_SIGNATURE, new Uint8Array([version, family]), uint(body.length, 2), body]);
  header.set(uint(crc32c(header), 4), header.length - 4);
  return header;
}

function formatTlsTlvs(tls: ProxyTls): Uint8Array[] {
  const presented = tls.clientCertificate !== "none";
  // Zero is for a certificate that was verified; 1 is OpenSSL's "unspecified error" and nginx's "no certificate".
  const verify = tls.clientCertificate === "verified" ? 0 : 1;
  const ssl = concatBytes([
    new Uint8Array([presented ? CLIENT_SSL | CLIENT_CERTIFICATE : CLIENT_SSL]),
    uint(verify, 4),
    formatTextTlv(SslTlv.version, tls.protocol),
    formatTextTlv(SslTlv.commonName, presented ? tls.commonName : null),
    formatTextTlv(SslTlv.cipher, tls.cipher),
  ]);
  return [
    formatTextTlv(Tlv.authority, tls.serverName),
    formatTextTlv(Tlv.alpn, tls.alpn),
    formatTlv(Tlv.ssl, ssl),
  ];
}

/** A TLV of UTF-8 text, or nothing where there is no text or too much. */
function formatTextTlv(type: number, text: string | null): Uint8Array {
  const value = encodeLatin1(encodeUtf8AsByteString(text ?? ""));
  return value.length === 0 || value.length > MAX_VALUE_OCTETS ? new Uint8Array(0) : formatTlv(type, value);
}

function formatTlv(type: number, value: Uint8Array): Uint8Array {
  return concatBytes([new Uint8Array([type]), uint(value.length, 2), value]);
}

/** Unsigned number of `octets` octets, big-endian; octets behind the end count as zero. */
function readUint(bytes: Uint8Array, at: number, octets: number): number {
  let value = 0;
  for (let i = at; i < at + octets; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

function uint(value: number, octets: number): Uint8Array {
  const bytes = new Uint8Array(octets);
  for (let i = octets - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}
