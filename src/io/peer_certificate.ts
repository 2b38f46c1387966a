import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { PeerCertificate } from "../ports/transport.ts";
import { formatDistinguishedName } from "./distinguished_name.ts";
import { readCertificate } from "./x509_certificate.ts";

/** More certificates than this in one chain are not looked at. */
const MAX_CHAIN = 16;

/** What the peer sent, in DER, its own certificate first; empty when it sent none. */
export function presentedChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  type Link = { raw?: Uint8Array; issuerCertificate?: Link } | null | undefined;
  let link = socket.getPeerCertificate(true) as Link;
  while (link?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(Uint8Array.from(link.raw));
    // A self-signed certificate is its own issuer there.
    link = link.issuerCertificate === link ? null : link.issuerCertificate;
  }
  return chain;
}

/** The facts of a certificate in the forms that nginx gives them to the callout; null when it cannot be read. */
export function describeCertificate(der: Uint8Array): PeerCertificate | null {
  try {
    const { parsed } = readCertificate(der);
    return {
      subject: formatDistinguishedName(parsed.subjectName),
      issuer: formatDistinguishedName(parsed.issuerName),
      serial: formatSerial(parsed.serialNumber),
      fingerprint: createHash("sha1").update(der).digest("hex"),
      commonName: parsed.subjectName.getField("CN")[0] ?? null,
      pem: formatPem(der),
    };
  } catch {
    // The judge refuses what cannot be read; there are no facts of it.
    return null;
  }
}

/** As OpenSSL's i2a_ASN1_INTEGER: whole octets, without the leading zero octet that DER puts before a high bit. */
function formatSerial(serial: string): string {
  const digits = serial.toUpperCase().replace(/^(?:00)+(?=..)/, "");
  return digits.length % 2 === 0 ? digits : "0" + digits;
}

function formatPem(der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
