/**
 * Makes certificates on the spot: for the demo, which must not ask its reader for one, and for the tests.
 *
 * @module
 */
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";

/** A certificate and its private key (PKCS #8), both in PEM with a line end after the last line. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** Kinds of keys that {@linkcode generateKeys} makes. */
export type KeyKind = "ecdsa" | "rsa";

/** Signature algorithms that go with the keys of {@linkcode generateKeys}. */
export const SIGNING: Readonly<Record<KeyKind, EcKeyGenParams & EcdsaParams | RsaHashedKeyGenParams>> = {
  ecdsa: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  rsa: {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: "SHA-256",
  },
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Makes an ECDSA P-256 or RSA 2048 key pair. */
export async function generateKeys(kind: KeyKind): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(SIGNING[kind], true, ["sign", "verify"]) as CryptoKeyPair;
}

/** The private key of a pair as PKCS #8 in PEM. */
export async function privateKeyPem(keys: CryptoKeyPair): Promise<string> {
  const der = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return x509.PemConverter.encode(der, "PRIVATE KEY") + "\n";
}

/** A subject alternative name extension for host names and IP addresses. */
export function alternativeNames(names: readonly string[]): x509.SubjectAlternativeNameExtension {
  return new x509.SubjectAlternativeNameExtension(names.map((value) => ({
    // The labels of a host name never look like an address: no top-level domain is all digits.
    type: /^[0-9.]+$|:/.test(value) ? "ip" as const : "dns" as const,
    value,
  })));
}

/** A random positive serial number, as hexadecimal digits. */
export function randomSerial(): string {
  const octets = crypto.getRandomValues(new Uint8Array(12));
  octets[0] = (octets[0]! & 0x7f) | 0x40; // positive, and no leading zero octet
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Makes a self-signed ECDSA certificate for `names` (host names or IP addresses), valid for `days`. */
export async function selfSigned(names: readonly string[], days = 7): Promise<CertificateAndKey> {
  const keys = await generateKeys("ecdsa");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [names[0] ?? "localhost"] }],
    serialNumber: randomSerial(),
    notBefore: new Date(Date.now() - HOUR_MS), // clocks of the peers may be behind ours
    notAfter: new Date(Date.now() + days * DAY_MS),
    keys,
    signingAlgorithm: SIGNING.ecdsa,
    // Not marked as an authority: rustls refuses such a certificate as a server's, even one it was told to trust.
    extensions: [alternativeNames(names)],
  });
  return { certificate: certificate.toString("pem") + "\n", key: await privateKeyPem(keys) };
}
