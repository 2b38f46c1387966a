import { type Certificate, isSignedBy } from "./x509_certificate.ts";

/** A path from a client's certificate upwards, as far as it goes. */
export interface Chain {
  /** The client's certificate first. */
  readonly certificates: readonly Certificate[];
  /** How many of the last ones come from the trust anchors' file. */
  readonly trusted: number;
  /** How it ends: at a self-signed anchor, at a self-signed stranger, or where no issuer is found or allowed. */
  readonly end: "anchor" | "self_signed" | "no_issuer";
}

/**
 * Finds the issuers of `leaf` among the `anchors`, then among what the client `sent`, as OpenSSL does: what is found
 * among the anchors is continued there only, and nothing but a self-signed anchor ends the chain well.
 */
export async function buildChain(
  leaf: Certificate,
  sent: readonly Certificate[],
  anchors: readonly Certificate[],
  depth: number,
): Promise<Chain> {
  const certificates = [leaf];
  let trusted = 0;
  for (;;) {
    const last = certificates.at(-1)!;
    if (isSelfSigned(last)) {
      const anchor = anchors.some(({ identity }) => identity === last.identity);
      return { certificates, trusted, end: anchor ? "anchor" : "self_signed" };
    }
    const known = new Set(certificates.map(({ identity }) => identity));
    const candidates = (pool: readonly Certificate[]) =>
      pool.filter((candidate) => !known.has(candidate.identity) && mayHaveIssued(candidate, last));
    const fromAnchors = await best(candidates(anchors), last);
    const issuer = fromAnchors ?? (trusted > 0 ? null : await best(candidates(sent), last));
    // ssl_verify_depth counts neither the client's certificate nor the anchor (SSL_CTX_set_verify_depth).
    if (issuer === null || certificates.length > depth + 1) {
      return { certificates, trusted, end: "no_issuer" };
    }
    certificates.push(issuer);
    if (fromAnchors !== null) trusted++;
  }
}

/** Whether the names say so, and the key identifiers where both are there (RFC 5280 §4.2.1.1). */
function mayHaveIssued(candidate: Certificate, certificate: Certificate): boolean {
  if (candidate.subject !== certificate.issuer) return false;
  const { authorityKeyId } = certificate;
  return authorityKeyId === null || candidate.subjectKeyId === null ||
    authorityKeyId === candidate.subjectKeyId;
}

/** After a change of keys several authorities have one name: the one whose key fits, and lasts longest, is meant. */
async function best(
  candidates: readonly Certificate[],
  certificate: Certificate,
): Promise<Certificate | null> {
  const latestFirst = candidates.toSorted((a, b) => b.notAfter - a.notAfter);
  for (const candidate of latestFirst) {
    if (await isSignedBy(certificate, candidate)) return candidate;
  }
  return latestFirst[0] ?? null;
}

function isSelfSigned(certificate: Certificate): boolean {
  return mayHaveIssued(certificate, certificate);
}
