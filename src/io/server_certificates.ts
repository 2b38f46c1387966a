import { createPrivateKey, type KeyObject, X509Certificate as NodeCertificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { keyForContext } from "./tls_engine.ts";
import { type Certificate, readCertificates } from "./x509_certificate.ts";

/** One `ssl_certificate` with its `ssl_certificate_key`. */
export interface ServerCertificate {
  /** PEM: the server's certificate, then the intermediates. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** `ssl_password_file`: tried in order when the key is encrypted. */
  readonly passphrases?: readonly string[];
}

/** A certificate that is ready for use, and whose it is. */
export interface ReadyCertificate {
  readonly subject: string;
  readonly context: SecureContext;
}

/** Chooses the certificate by the name that the client asks for (SNI, RFC 6066 §3). */
export class ServerCertificates {
  /** In their order. */
  readonly all: readonly ReadyCertificate[];
  readonly #first: SecureContext;
  readonly #exact = new Map<string, SecureContext>();
  /** By what follows the `*`, with the dot. */
  readonly #wildcard = new Map<string, SecureContext>();

  /**
   * Of two certificates for one name the first is taken.
   * @throws {Error} when there is none, one cannot be read, or a key does not belong to its certificate.
   */
  constructor(certificates: readonly ServerCertificate[], options: SecureContextOptions) {
    this.all = certificates.map((certificate) => this.#add(certificate, options));
    const first = this.all[0];
    if (first === undefined) throw new Error("Cannot accept TLS connections: no certificate is given");
    this.#first = first.context;
  }

  /** The certificate for `serverName`: the exact name, then a wildcard, else the first certificate. */
  choose(serverName: string | null): SecureContext {
    return (serverName === null ? null : this.#find(serverName)) ?? this.#first;
  }

  /** Whether there is a certificate for `serverName`. */
  knows(serverName: string): boolean {
    return this.#find(serverName) !== null;
  }

  #find(serverName: string): SecureContext | null {
    const name = serverName.toLowerCase();
    const dot = name.indexOf(".");
    const wildcard = dot > 0 ? this.#wildcard.get(name.slice(dot)) : undefined;
    return this.#exact.get(name) ?? wildcard ?? null;
  }

  #add(certificate: ServerCertificate, options: SecureContextOptions): ReadyCertificate {
    const leaf = readCertificates(certificate.certificatePem)[0]!;
    const key = readKey(certificate);
    if (!new NodeCertificate(leaf.parsed.toString("pem")).checkPrivateKey(key)) {
      throw new Error(`Cannot use certificate "${leaf.parsed.subject}": the key does not belong to it`);
    }
    const context = createSecureContext({
      ...options,
      cert: certificate.certificatePem,
      key: keyForContext(key),
    });
    for (const name of namesOf(leaf)) {
      const map = name.startsWith("*.") ? this.#wildcard : this.#exact;
      const form = name.startsWith("*.") ? name.slice(1) : name;
      if (!map.has(form)) map.set(form, context);
    }
    return { subject: leaf.parsed.subject, context };
  }
}

/** Until when the first certificate of a PEM text is valid, in seconds since the epoch. */
export function certificateExpiry(pem: string): number {
  return readCertificates(pem)[0]!.parsed.notAfter.getTime() / 1000;
}

function readKey({ keyPem, passphrases = [] }: ServerCertificate): KeyObject {
  if (!/^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(keyPem)) return createPrivateKey(keyPem);
  for (const passphrase of passphrases) {
    try {
      return createPrivateKey({ key: keyPem, passphrase });
    } catch {
      // Another pass phrase may fit.
    }
  }
  throw new Error("Cannot read private key: it is encrypted and no pass phrase fits");
}

/** Host names in lower case: of subjectAltName, or the common name when there are none (RFC 6125 §6.4.4). */
function namesOf({ parsed }: Certificate): string[] {
  const alternatives = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
  const names = alternatives.filter(({ type }) => type === "dns").map(({ value }) => value);
  return (names.length > 0 ? names : parsed.subjectName.getField("CN")).map((name) => name.toLowerCase());
}
