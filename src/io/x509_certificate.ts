/**
 * Certificates as the judge needs them: read once, with everything that RFC 5280 §6 asks about at hand.
 *
 * @module
 */
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";

/** A certificate of X.509, read. */
export interface Certificate {
  readonly parsed: x509.X509Certificate;
  /** DER in hexadecimal digits: the identity of the certificate. */
  readonly identity: string;
  /** DER of the names in hexadecimal digits. Names are compared octet by octet. */
  readonly subject: string;
  readonly issuer: string;
  readonly isVersion3: boolean;
  readonly notBefore: number;
  readonly notAfter: number;
  /** basicConstraints: null when there is none. */
  readonly authority: { readonly isAuthority: boolean; readonly pathLength: number | null } | null;
  /** keyUsage bits; null when any use is allowed. */
  readonly keyUsage: number | null;
  /** extendedKeyUsage OIDs; null when any use is allowed. */
  readonly extendedUsages: readonly string[] | null;
  readonly subjectKeyId: string | null;
  readonly authorityKeyId: string | null;
  /** Whether the signature on it is made with MD5 or SHA-1. */
  readonly weakDigest: boolean;
  readonly hasNameConstraints: boolean;
  /** Whether there is a critical extension that the judge does not understand (RFC 5280 §4.2). */
  readonly hasUnknownCritical: boolean;
}

const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const AUTHORITY_KEY_ID = "2.5.29.35";
const SUBJECT_KEY_ID = "2.5.29.14";
const NAME_CONSTRAINTS = "2.5.29.30";

/** Critical extensions that are checked, or that have no bearing on a client's certificate. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  EXTENDED_KEY_USAGE,
  AUTHORITY_KEY_ID,
  SUBJECT_KEY_ID,
  NAME_CONSTRAINTS,
  "2.5.29.17", // subjectAltName
  "2.5.29.31", // cRLDistributionPoints
  "2.5.29.32", // certificatePolicies; no policy is ever required here
  "2.5.29.33", // policyMappings
  "2.5.29.36", // policyConstraints
  "2.5.29.54", // inhibitAnyPolicy
]);

/**
 * Reads a certificate from DER or from PEM with one certificate.
 * @throws {Error} when it is not a certificate or has an extension twice.
 */
export function readCertificate(source: Uint8Array | string): Certificate {
  const parsed = new x509.X509Certificate(typeof source === "string" ? source : source.slice());
  const types = parsed.extensions.map(({ type }) => type);
  if (new Set(types).size !== types.length) {
    throw new Error("Cannot read certificate: an extension occurs twice");
  }
  const constraints = parsed.getExtension(x509.BasicConstraintsExtension);
  return {
    parsed,
    identity: hex(parsed.rawData),
    subject: hex(parsed.subjectName.toArrayBuffer()),
    issuer: hex(parsed.issuerName.toArrayBuffer()),
    isVersion3: isVersion3(new Uint8Array(parsed.rawData)),
    notBefore: parsed.notBefore.getTime(),
    notAfter: parsed.notAfter.getTime(),
    authority: constraints && { isAuthority: constraints.ca, pathLength: constraints.pathLength ?? null },
    keyUsage: parsed.getExtension(x509.KeyUsagesExtension)?.usages ?? null,
    extendedUsages: parsed.getExtension(x509.ExtendedKeyUsageExtension)?.usages.map(String) ?? null,
    subjectKeyId: parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId.toLowerCase() ?? null,
    authorityKeyId: parsed.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId?.toLowerCase() ?? null,
    weakDigest: /SHA-?1$|MD5/i.test(digestName(parsed)),
    hasNameConstraints: types.includes(NAME_CONSTRAINTS),
    hasUnknownCritical: parsed.extensions.some(({ type, critical }) => critical && !UNDERSTOOD.has(type)),
  };
}

/**
 * Reads all certificates of a PEM text, in their order.
 * @throws {Error} when one cannot be read or there is none.
 */
export function readCertificates(pem: string): Certificate[] {
  const blocks = certificateBlocks(pem);
  if (blocks.length === 0) throw new Error("Cannot read certificates: no PEM block CERTIFICATE is there");
  return blocks.map((block) => readCertificate(block));
}

/** The certificates of a PEM text, each in PEM. */
export function certificateBlocks(pem: string): string[] {
  return pem.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END [A-Z0-9 ]+-----/g) ?? [];
}

/** Whether keyUsage lets the key sign certificates (RFC 5280 §4.2.1.3). */
export function maySignCertificates({ keyUsage }: Certificate): boolean {
  return keyUsage === null || (keyUsage & x509.KeyUsageFlags.keyCertSign) !== 0;
}

/** id-kp-serverAuth (RFC 5280 §4.2.1.12). */
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/** Whether extendedKeyUsage lets it stand for a server. */
export function isForServers({ extendedUsages }: Certificate): boolean {
  return extendedUsages === null || extendedUsages.includes(SERVER_AUTH);
}

/** Whether the signature on `certificate` was made with the key of `issuer`. */
export async function isSignedBy(certificate: Certificate, issuer: Certificate): Promise<boolean> {
  try {
    return await certificate.parsed.verify({ publicKey: issuer.parsed, signatureOnly: true });
  } catch {
    // A key or an algorithm that the runtime cannot use proves nothing.
    return false;
  }
}

/** Hexadecimal digits, lower-case. */
export function hex(octets: ArrayBuffer): string {
  return new Uint8Array(octets).toHex();
}

function digestName(parsed: x509.X509Certificate): string {
  const { hash } = parsed.signatureAlgorithm as { hash?: { name: string } };
  return hash?.name ?? "";
}

/**
 * Whether the certificate says that it is of version 3: `SEQUENCE { SEQUENCE { [0] { INTEGER 2 } ...`
 * (RFC 5280 §4.1). Of encodings that differ, none counts as version 3.
 */
export function isVersion3(der: Uint8Array): boolean {
  const fields = contentOf(der, contentOf(der, 0));
  return [0xa0, 3, 2, 1, 2].every((octet, at) => der[fields + at] === octet);
}

/** Where the element behind the DER element at `start` begins. */
export function nextOf(der: Uint8Array, start: number): number {
  const content = contentOf(der, start);
  let length = der[start + 1] ?? 0;
  if (length >= 0x80) {
    length = 0;
    for (let at = start + 2; at < content; at++) length = length * 256 + (der[at] ?? 0);
  }
  return content + length;
}

/** Where the content of the DER element at `start` begins (X.690 §8.1.3). */
export function contentOf(der: Uint8Array, start: number): number {
  const length = der[start + 1] ?? 0;
  return start + 2 + (length < 0x80 ? 0 : length & 0x7f);
}
