/** Whether PEM texts are what a directive needs: sessions must not be the first to find out. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** What is wrong with a file of certificates, or null. */
export function certificateFault(pem: string): string | null {
  const blocks = pemBlocks(pem, "CERTIFICATE");
  if (blocks.length === 0) return "it has no PEM certificate";
  const broken = blocks.findIndex((block) => readCertificate(block) === null);
  return broken === -1 ? null : `certificate ${broken + 1} of ${blocks.length} cannot be parsed`;
}

/**
 * What is wrong with a private key and its certificate, which is the first one of `certificatePem`, or null. An
 * encrypted key is tried with each pass phrase.
 */
export function keyFault(
  certificatePem: string,
  keyPem: string,
  passphrases: readonly string[],
): string | null {
  const encrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(keyPem);
  if (encrypted && passphrases.length === 0) return 'the key is encrypted: "ssl_password_file" is needed';
  const key = (encrypted ? passphrases : [undefined]).map((phrase) => readKey(keyPem, phrase)).find((read) =>
    read !== null
  );
  if (key === undefined) {
    return encrypted ? "no pass phrase opens the key" : "it has no PEM private key that can be parsed";
  }
  const certificate = readCertificate(pemBlocks(certificatePem, "CERTIFICATE")[0] ?? "");
  return certificate === null || certificate.checkPrivateKey(key)
    ? null
    : "the key does not belong to the certificate";
}

/** What is wrong with a file of certificate revocation lists, or null. */
export function revocationListFault(pem: string): string | null {
  const blocks = pemBlocks(pem, "X509 CRL");
  if (blocks.length === 0) return "it has no PEM revocation list (X509 CRL)";
  const broken = blocks.findIndex((block) => !isDerSequence(block));
  return broken === -1 ? null : `revocation list ${broken + 1} of ${blocks.length} cannot be parsed`;
}

/** The pass phrases of an `ssl_password_file`, one in a line. */
export function readPassphrases(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}

function pemBlocks(text: string, label: string): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, "g")) ?? [];
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    // The caller says which certificate it was; the library's words name ASN.1 tags, which helps nobody.
    return null;
  }
}

function readKey(pem: string, passphrase: string | undefined): KeyObject | null {
  try {
    return createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase });
  } catch {
    // A wrong pass phrase and a broken key look alike here; the caller knows which is likely.
    return null;
  }
}

/** Whether a PEM block holds one DER SEQUENCE of the length it claims. */
function isDerSequence(block: string): boolean {
  let der: string;
  try {
    der = atob(block.replace(/-----[^-]*-----|\s/g, ""));
  } catch {
    // Not base64, so not DER either.
    return false;
  }
  const first = der.charCodeAt(1);
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  let length = lengthOctets === 0 ? first : 0;
  for (let i = 0; i < lengthOctets; i++) length = length * 256 + der.charCodeAt(2 + i);
  return der.charCodeAt(0) === 0x30 && der.length === 2 + lengthOctets + length;
}
