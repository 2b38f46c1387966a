/**
 * Judges the certificate of a client as OpenSSL does for nginx's `ssl_verify_client`.
 *
 * The runtime proves in the handshake that the client has the key of its certificate, and no more. What follows is
 * OpenSSL's path: build the chain, look at the extensions, the revocation lists, the signatures and the dates. As in
 * nginx, whose verify callback lets everything pass, no error ends the walk and the last one is the verdict.
 *
 * Stricter than OpenSSL in three places: only certificates of version 3 (the runtime does not check a client's
 * signature with others), no name constraints in a chain, and authorities need basicConstraints unless they are a
 * trust anchor of version 1.
 *
 * @module
 */
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import type { CertificateVerdict } from "../ports/transport.ts";
import { buildChain, type Chain } from "./certificate_chain.ts";
import { RevocationLists } from "./revocation_lists.ts";
import {
  type Certificate,
  isSignedBy,
  maySignCertificates,
  readCertificate,
  readCertificates,
} from "./x509_certificate.ts";

/** What a client's certificate is measured by. */
export interface JudgeOptions {
  /** PEM of `ssl_client_certificate` and `ssl_trusted_certificate`, joined. */
  readonly anchorsPem: string;
  /** `ssl_verify_depth`: intermediates allowed between the client's certificate and the anchor. */
  readonly depth: number;
  /** PEM of `ssl_crl`, or null. */
  readonly crlPem: string | null;
}

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** OpenSSL's texts (X509_verify_cert_error_string). */
const REASON = {
  notParsed: "certificate not parsed",
  notVersion3: "unsupported certificate version",
  noIssuer: "unable to get issuer certificate",
  noLocalIssuer: "unable to get local issuer certificate",
  leafUnverified: "unable to verify the first certificate",
  selfSigned: "self-signed certificate",
  selfSignedInChain: "self-signed certificate in certificate chain",
  unknownCritical: "unhandled critical extension",
  nameConstraints: "unsupported name constraint type",
  pathLength: "path length constraint exceeded",
  purpose: "unsuitable certificate purpose",
  weakDigest: "CA signature digest algorithm too weak",
  mayNotSign: "key usage does not include certificate signing",
  signature: "certificate signature failure",
  notYetValid: "certificate is not yet valid",
  expired: "certificate has expired",
} as const;

/** What `ssl_verify_client optional_no_ca` forgives (spec §5.3). */
const UNTRUSTED_ISSUER: ReadonlySet<string> = new Set([
  REASON.selfSigned,
  REASON.selfSignedInChain,
  REASON.noLocalIssuer,
  REASON.leafUnverified,
]);

/** Judges chains against one set of trust anchors and revocation lists. */
export class CertificateJudge {
  readonly #anchors: readonly Certificate[];
  readonly #depth: number;
  readonly #lists: RevocationLists | null;

  /** @throws {Error} when a certificate or a list cannot be read. */
  constructor(options: JudgeOptions) {
    this.#anchors = options.anchorsPem === "" ? [] : readCertificates(options.anchorsPem);
    this.#depth = options.depth;
    this.#lists = options.crlPem === null ? null : new RevocationLists(options.crlPem);
  }

  /** `presented` is what the client sent, in DER, its own certificate first; `now` in milliseconds. Never rejects. */
  async judge(presented: readonly Uint8Array[], now: number): Promise<CertificateVerdict> {
    if (presented.length === 0) return { kind: "none" };
    const [leaf, ...others] = presented.map(readQuietly);
    if (!leaf) return failed(REASON.notParsed);
    if (!leaf.isVersion3) return failed(REASON.notVersion3);
    const sent = others.filter((certificate) => certificate !== null);
    const chain = await buildChain(leaf, sent, this.#anchors, this.#depth);
    const reason = await this.#lastReason(chain, now);
    return reason === null ? { kind: "success" } : failed(reason);
  }

  async #lastReason(chain: Chain, now: number): Promise<string | null> {
    const reasons = [chainReason(chain), extensionsReason(chain), digestReason(chain)];
    if (this.#lists !== null) reasons.push(await this.#lists.check(chain.certificates, now));
    reasons.push(await signaturesReason(chain, now));
    return reasons.findLast((reason) => reason !== null) ?? null;
  }
}

function failed(reason: string): CertificateVerdict {
  return { kind: "failed", reason, untrustedIssuer: UNTRUSTED_ISSUER.has(reason) };
}

function readQuietly(der: Uint8Array): Certificate | null {
  try {
    return readCertificate(der);
  } catch {
    // What the peer sent is not a certificate; the judge says so.
    return null;
  }
}

function chainReason({ end, certificates, trusted }: Chain): string | null {
  if (end === "anchor") return null;
  if (end === "self_signed") return certificates.length === 1 ? REASON.selfSigned : REASON.selfSignedInChain;
  return trusted > 0 ? REASON.noIssuer : REASON.noLocalIssuer;
}

function extensionsReason({ certificates }: Chain): string | null {
  let reason: string | null = null;
  let below = 0;
  certificates.forEach((certificate, level) => {
    if (certificate.hasUnknownCritical) reason = REASON.unknownCritical;
    if (certificate.hasNameConstraints) reason = REASON.nameConstraints;
    const isLeaf = level === 0;
    if (!isForClients(certificate, isLeaf) || (!isLeaf && !isAuthority(certificate))) reason = REASON.purpose;
    const limit = certificate.authority?.pathLength ?? null;
    if (level > 0 && limit !== null && below > limit) reason = REASON.pathLength;
    // RFC 5280 §4.2.1.9: self-issued authorities do not count, nor does the client's certificate.
    if (level > 0 && certificate.subject !== certificate.issuer) below++;
  });
  return reason;
}

function isAuthority(certificate: Certificate): boolean {
  const { authority, isVersion3, subject, issuer } = certificate;
  return maySignCertificates(certificate) && (authority?.isAuthority ?? (!isVersion3 && subject === issuer));
}

function isForClients({ keyUsage, extendedUsages }: Certificate, isLeaf: boolean): boolean {
  if (extendedUsages !== null && !extendedUsages.includes(CLIENT_AUTH)) return false;
  const signing = x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyAgreement;
  return !isLeaf || keyUsage === null || (keyUsage & signing) !== 0;
}

/** The signature on the last certificate is nobody's to check: it is the anchor. */
function digestReason({ certificates }: Chain): string | null {
  return certificates.slice(0, -1).some(({ weakDigest }) => weakDigest) ? REASON.weakDigest : null;
}

async function signaturesReason({ certificates, end }: Chain, now: number): Promise<string | null> {
  const top = certificates.length - 1;
  const isTopSelfSigned = end === "anchor" || end === "self_signed";
  if (top === 0 && !isTopSelfSigned) return REASON.leafUnverified;
  let reason: string | null = null;
  for (let level = isTopSelfSigned ? top : top - 1; level >= 0; level--) {
    const certificate = certificates[level]!;
    const issuer = certificates[level + 1];
    if (issuer !== undefined) {
      if (!maySignCertificates(issuer)) reason = REASON.mayNotSign;
      if (!await isSignedBy(certificate, issuer)) reason = REASON.signature;
    }
    if (now < certificate.notBefore) reason = REASON.notYetValid;
    if (now > certificate.notAfter) reason = REASON.expired;
  }
  return reason;
}
