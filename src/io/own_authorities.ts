/**
 * Whether a server's chain of certificates ends at an authority of ours (RFC 5280 §6), by signatures.
 *
 * The runtime checks this too, but where its TLS library cannot read a certificate that was shown it compares names only,
 * and does not check the signature of the handshake. So with authorities of our own its word is not enough.
 *
 * @module
 */
import { isStrictlyWritten } from "./strict_der.ts";
import {
  type Certificate,
  certificateBlocks,
  isForServers,
  isSignedBy,
  maySignCertificates,
  readCertificate,
} from "./x509_certificate.ts";

/** Certificates between the server's and the authority's: as many as the runtime's TLS library takes. */
const MAX_BETWEEN = 6;
/** Signatures that are checked for one chain. */
const MAX_SIGNATURES = 50;
/** Chains that are kept. */
const KEPT = 64;

const NOT_VERIFIED = "no chain of signatures to an authority";

/** What is found of a chain: why it is refused, or null, and when it has to be looked at again. */
interface Finding {
  readonly reason: string | null;
  readonly until: number;
}

/** The authorities of one PEM text. */
export class OwnAuthorities {
  readonly #anchors: readonly Certificate[];
  /** Chains that were found good: to check one costs more than a handshake. */
  readonly #good = new Map<string, Finding>();

  constructor(pem: string) {
    this.#anchors = certificateBlocks(pem).map(readQuietly).filter((it) => it !== null);
  }

  /** Why a server that has shown `chain`, in DER with its own certificate first, is not known, or null. */
  async refusal(chain: readonly Uint8Array[], now = Date.now()): Promise<string | null> {
    const digits = chain.map((der) => der.toHex()).join();
    const known = this.#good.get(digits);
    if (known !== undefined && now < known.until) return known.reason;
    this.#good.delete(digits);
    const { reason, until } = await this.#check(chain, now);
    if (reason === null) {
      if (this.#good.size >= KEPT) this.#good.delete(this.#good.keys().next().value!);
      this.#good.set(digits, { reason, until });
    }
    return reason;
  }

  async #check(chain: readonly Uint8Array[], now: number): Promise<Finding> {
    const refused = (reason: string) => ({ reason, until: 0 });
    const [der, ...others] = chain;
    const leaf = der === undefined || !isStrictlyWritten(der) ? null : readQuietly(der);
    if (leaf === null) return refused("it is not written in DER");
    const sent = others.map(readQuietly);
    const path = await this.#path([leaf], sent.filter((it) => it !== null), now, { left: MAX_SIGNATURES });
    if (path === null) return refused(NOT_VERIFIED);
    // The runtime sees to what names the authorities may give, unless something is there that it cannot read.
    if (path.some(({ hasNameConstraints }) => hasNameConstraints)) {
      const used = new Set(path.map(({ identity }) => identity));
      if (!sent.every((it) => it !== null && used.has(it.identity))) return refused("name constraints");
      // It does not see to those of the subject.
      if (leaf.parsed.getExtension("2.5.29.17") === null) return refused("name constraints");
    }
    return { reason: null, until: Math.min(...path.map(({ notAfter }) => notAfter)) };
  }

  /** Continues a path up to an authority; null when there is none. */
  async #path(
    path: readonly Certificate[],
    sent: readonly Certificate[],
    now: number,
    signatures: { left: number },
  ): Promise<readonly Certificate[] | null> {
    const last = path.at(-1)!;
    if (!last.isVersion3 || now < last.notBefore || now > last.notAfter) return null;
    if (last.hasUnknownCritical || !isForServers(last)) return null;
    if (this.#anchors.some(({ identity }) => identity === last.identity)) return path;
    const signs = async (issuer: Certificate, isAnchor: boolean) =>
      issuer.subject === last.issuer && maySign(issuer, path, isAnchor) && signatures.left-- > 0 &&
      await isSignedBy(last, issuer);
    for (const anchor of this.#anchors) {
      if (await signs(anchor, true)) return [...path, anchor];
    }
    if (path.length > MAX_BETWEEN) return null;
    for (const issuer of sent) {
      if (path.some(({ identity }) => identity === issuer.identity) || !await signs(issuer, false)) continue;
      const whole = await this.#path([...path, issuer], sent, now, signatures);
      if (whole !== null) return whole;
    }
    return null;
  }
}

function readQuietly(source: Uint8Array | string): Certificate | null {
  try {
    return readCertificate(source);
  } catch {
    // Nobody is known by it.
    return null;
  }
}

/** Whether the certificate may be the issuer of the last of `path`. */
function maySign(
  issuer: Certificate,
  path: readonly Certificate[],
  isAnchor: boolean,
): boolean {
  // Authorities of version 1 do not say that they are.
  if (!(issuer.authority?.isAuthority ?? isAnchor) || !maySignCertificates(issuer)) return false;
  // RFC 5280 §4.2.1.9: self-issued authorities do not count, nor does the server's certificate.
  const between = path.slice(1).filter(({ subject, issuer }) => subject !== issuer).length;
  const limit = issuer.authority?.pathLength ?? null;
  return limit === null || between <= limit;
}
