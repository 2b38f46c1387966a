/**
 * Certificates for tests: authorities, servers, clients, and every defect that a proxy has to notice.
 *
 * @module
 */
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import {
  alternativeNames,
  type CertificateAndKey,
  generateKeys,
  type KeyKind,
  privateKeyPem,
  randomSerial,
  SIGNING,
} from "../../scripts/self_signed.ts";

export { type CertificateAndKey, selfSigned } from "../../scripts/self_signed.ts";

/** What a certificate is to say; times are relative to now, in days. */
export interface CertificateOptions {
  /** Subject; a plain string is the common name. */
  readonly subject: string | x509.JsonName;
  /** Subject alternative names: host names and IP addresses. */
  readonly names?: readonly string[];
  /** Extended key usage; default: both. An empty list leaves the extension out. */
  readonly usages?: readonly ("serverAuth" | "clientAuth")[];
  readonly keyKind?: KeyKind;
  readonly fromDays?: number;
  readonly untilDays?: number;
  /** Whether basicConstraints says CA; default false. */
  readonly isAuthority?: boolean;
  /** What else it has. */
  readonly extensions?: readonly x509.Extension[];
}

/** What an authority's own certificate is to say. */
export interface AuthorityOptions
  extends Pick<CertificateOptions, "keyKind" | "fromDays" | "untilDays" | "extensions"> {
  readonly subject: string | x509.JsonName;
  /** Path length constraint; none by default. */
  readonly pathLength?: number;
  /** Whether it has no extensions but those that are given. */
  readonly bare?: boolean;
  /** Whether basicConstraints says CA; default true. */
  readonly isAuthority?: boolean;
}

const DAY_MS = 86_400_000;

/** A certification authority with its key in memory. */
export class Authority {
  /** PEM of the authority's certificate. */
  readonly certificate: string;
  /** PEM of this certificate and those above it, without the root: what a server or client appends. */
  readonly chain: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: CryptoKeyPair;
  readonly #kind: KeyKind;

  private constructor(
    certificate: x509.X509Certificate,
    keys: CryptoKeyPair,
    kind: KeyKind,
    parent: Authority | null,
  ) {
    this.#certificate = certificate;
    this.#keys = keys;
    this.#kind = kind;
    this.certificate = pem(certificate);
    this.chain = parent === null ? "" : this.certificate + parent.chain;
  }

  /** Makes a root authority, or an intermediate one below `parent`. */
  static async create(options: AuthorityOptions, parent: Authority | null = null): Promise<Authority> {
    const kind = options.keyKind ?? "ecdsa";
    const keys = await generateKeys(kind);
    const signer = parent === null ? keys : parent.#keys;
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(options),
      serialNumber: randomSerial(),
      subject: jsonName(options.subject),
      issuer: parent === null ? jsonName(options.subject) : parent.#certificate.subjectName.toJSON(),
      publicKey: keys.publicKey,
      signingKey: signer.privateKey,
      signingAlgorithm: SIGNING[parent === null ? kind : parent.#kind],
      extensions: options.bare ? [...options.extensions ?? []] : [
        new x509.BasicConstraintsExtension(options.isAuthority ?? true, options.pathLength, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        ...options.extensions ?? [],
      ],
    });
    return new Authority(certificate, keys, kind, parent);
  }

  /** Issues an end certificate. `certificate` holds the leaf and, after it, the chain below the root. */
  async issue(options: CertificateOptions): Promise<CertificateAndKey> {
    const keys = await generateKeys(options.keyKind ?? "ecdsa");
    const usages = options.usages ?? ["serverAuth", "clientAuth"];
    const extensions: x509.Extension[] = [
      new x509.BasicConstraintsExtension(options.isAuthority ?? false),
      ...options.extensions ?? [],
      await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
    ];
    if (options.names !== undefined) extensions.push(alternativeNames(options.names));
    if (usages.length > 0) {
      extensions.push(
        new x509.ExtendedKeyUsageExtension(usages.map((usage) => x509.ExtendedKeyUsage[usage])),
      );
    }
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(options),
      serialNumber: randomSerial(),
      subject: jsonName(options.subject),
      issuer: this.#certificate.subjectName.toJSON(),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: SIGNING[this.#kind],
      extensions,
    });
    return { certificate: pem(certificate) + this.chain, key: await privateKeyPem(keys) };
  }

  /** Makes a revocation list (PEM) that names the first certificate of each of `revoked`. */
  async revocationList(
    revoked: readonly CertificateAndKey[],
    options: { readonly fromDays?: number; readonly untilDays?: number } = {},
  ): Promise<string> {
    const { notBefore, notAfter } = validity(options);
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subjectName.toJSON(),
      thisUpdate: notBefore,
      nextUpdate: notAfter,
      entries: revoked.map(({ certificate }) => ({
        serialNumber: new x509.X509Certificate(firstOf(certificate)).serialNumber,
        revocationDate: notBefore,
        // Without one the library writes an empty extension list, which RFC 5280 §5.1 forbids.
        reason: x509.X509CrlReason.keyCompromise,
      })),
      signingKey: this.#keys.privateKey,
      signingAlgorithm: SIGNING[this.#kind],
    });
    // The label of RFC 7468 §6; the library's own is one that OpenSSL does not read.
    return x509.PemConverter.encode(list.rawData, "X509 CRL") + "\n";
  }
}

/** The certificates that most tests need; made once per process. */
export interface TestCertificates {
  readonly root: Authority;
  /** An intermediate authority below the root. */
  readonly intermediate: Authority;
  /** An authority that nobody trusts. */
  readonly stranger: Authority;
  /** For `localhost`, `127.0.0.1`, `::1`, `mail.test` and `mx.test`. */
  readonly server: CertificateAndKey;
  /** The same names with an RSA key. */
  readonly serverRsa: CertificateAndKey;
  /** For `other.test` only. */
  readonly otherServer: CertificateAndKey;
  /** For `*.wild.test`. */
  readonly wildcard: CertificateAndKey;
  readonly expiredServer: CertificateAndKey;
  /** Subject `CN=alice,O=Lab\, Inc` in RFC 2253 form. */
  readonly client: CertificateAndKey;
  /** Issued by the intermediate authority, whose certificate comes along. */
  readonly clientOfIntermediate: CertificateAndKey;
  readonly expiredClient: CertificateAndKey;
  readonly strangerClient: CertificateAndKey;
  readonly revokedClient: CertificateAndKey;
  /** The root's list with `revokedClient` on it. */
  readonly revocationList: string;
}

let made: Promise<TestCertificates> | undefined;

/** Answers the certificates of this process. */
export function testCertificates(): Promise<TestCertificates> {
  return made ??= make();
}

async function make(): Promise<TestCertificates> {
  const root = await Authority.create({ subject: "Postern Test Root" });
  const intermediate = await Authority.create({ subject: "Postern Test Intermediate" }, root);
  const stranger = await Authority.create({ subject: "Stranger Root" });
  const names = ["localhost", "127.0.0.1", "::1", "mail.test", "mx.test"];
  const past = { fromDays: -30, untilDays: -1 };
  const revokedClient = await root.issue({ subject: "mallory", usages: ["clientAuth"] });
  return {
    root,
    intermediate,
    stranger,
    server: await root.issue({ subject: "mail.test", names }),
    serverRsa: await root.issue({ subject: "mail.test", names, keyKind: "rsa" }),
    otherServer: await root.issue({ subject: "other.test", names: ["other.test"] }),
    wildcard: await root.issue({ subject: "*.wild.test", names: ["*.wild.test"] }),
    expiredServer: await root.issue({ subject: "mail.test", names, ...past }),
    client: await root.issue({ subject: [{ O: ["Lab, Inc"] }, { CN: ["alice"] }], usages: ["clientAuth"] }),
    clientOfIntermediate: await intermediate.issue({ subject: "bob", usages: ["clientAuth"] }),
    expiredClient: await root.issue({ subject: "carol", usages: ["clientAuth"], ...past }),
    strangerClient: await stranger.issue({ subject: "eve", usages: ["clientAuth"] }),
    revokedClient,
    revocationList: await root.revocationList([revokedClient]),
  };
}

function validity(
  options: { readonly fromDays?: number; readonly untilDays?: number },
): { readonly notBefore: Date; readonly notAfter: Date } {
  return {
    notBefore: new Date(Date.now() + (options.fromDays ?? -1) * DAY_MS),
    notAfter: new Date(Date.now() + (options.untilDays ?? 30) * DAY_MS),
  };
}

function jsonName(subject: string | x509.JsonName): x509.JsonName {
  return typeof subject === "string" ? [{ CN: [subject] }] : subject;
}

function pem(certificate: x509.X509Certificate): string {
  return certificate.toString("pem") + "\n";
}

function firstOf(chain: string): string {
  const end = "-----END CERTIFICATE-----\n";
  return chain.slice(0, chain.indexOf(end) + end.length);
}
