import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { type Certificate, hex } from "./x509_certificate.ts";

/** OpenSSL's texts. */
const REASON = {
  missing: "unable to get certificate CRL",
  noIssuer: "unable to get CRL issuer certificate",
  signature: "CRL signature failure",
  notYetValid: "CRL is not yet valid",
  expired: "CRL has expired",
  mayNotSign: "key usage does not include CRL signing",
  unknownCritical: "unhandled critical CRL extension",
  revoked: "certificate revoked",
} as const;

/** A certificate revocation list, read (RFC 5280 §5). */
interface RevocationList {
  readonly parsed: x509.X509Crl;
  /** DER of the issuer's name in hexadecimal digits. */
  readonly issuer: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
  /** Serial numbers in lower-case hexadecimal digits without leading zeros. */
  readonly serials: ReadonlySet<string>;
  readonly hasCritical: boolean;
}

/** The lists of `ssl_crl`. As nginx asks OpenSSL to, every certificate of a chain needs a list that is in force. */
export class RevocationLists {
  readonly #lists: readonly RevocationList[];

  /** @throws {Error} when there is no list in `pem`, or one cannot be read. */
  constructor(pem: string) {
    const blocks = pem.match(/-----BEGIN (?:X509 )?CRL-----[^-]+-----END (?:X509 )?CRL-----/g) ?? [];
    if (blocks.length === 0) throw new Error("Cannot read revocation lists: no PEM block X509 CRL is there");
    this.#lists = blocks.map(readList);
  }

  /** The last reason why `chain`, the client's certificate first, is not good; null when it is. `now` in milliseconds. */
  async check(chain: readonly Certificate[], now: number): Promise<string | null> {
    let reason: string | null = null;
    for (const [level, certificate] of chain.entries()) {
      const isTopSelfIssued = certificate.subject === certificate.issuer;
      const issuer = chain[level + 1] ?? (isTopSelfIssued ? certificate : null);
      reason = await this.#checkOne(certificate, issuer, now) ?? reason;
    }
    return reason;
  }

  async #checkOne(certificate: Certificate, issuer: Certificate | null, now: number): Promise<string | null> {
    const list = this.#lists
      .filter((candidate) => candidate.issuer === certificate.issuer)
      .toSorted((a, b) =>
        Number(isInForce(b, now)) - Number(isInForce(a, now)) || b.thisUpdate - a.thisUpdate
      )[0];
    if (list === undefined) return REASON.missing;
    let reason = issuer === null ? REASON.noIssuer : await listReason(list, issuer, now);
    if (list.hasCritical) reason = REASON.unknownCritical;
    return list.serials.has(serialDigits(certificate.parsed.serialNumber)) ? REASON.revoked : reason;
  }
}

function readList(pem: string): RevocationList {
  const parsed = new x509.X509Crl(pem);
  return {
    parsed,
    issuer: hex(parsed.issuerName.toArrayBuffer()),
    thisUpdate: parsed.thisUpdate.getTime(),
    nextUpdate: parsed.nextUpdate?.getTime() ?? null,
    serials: new Set(parsed.entries.map(({ serialNumber }) => serialDigits(serialNumber))),
    hasCritical: parsed.extensions.some(({ critical }) => critical) ||
      parsed.entries.some(({ extensions }) => extensions.some(({ critical }) => critical)),
  };
}

type ListReason = typeof REASON[keyof typeof REASON] | null;

async function listReason(list: RevocationList, issuer: Certificate, now: number): Promise<ListReason> {
  let reason: ListReason = null;
  const { keyUsage } = issuer;
  if (keyUsage !== null && (keyUsage & x509.KeyUsageFlags.cRLSign) === 0) reason = REASON.mayNotSign;
  if (list.thisUpdate > now) reason = REASON.notYetValid;
  if (list.nextUpdate !== null && list.nextUpdate < now) reason = REASON.expired;
  return await isSigned(list, issuer) ? reason : REASON.signature;
}

async function isSigned(list: RevocationList, issuer: Certificate): Promise<boolean> {
  try {
    return await list.parsed.verify({ publicKey: issuer.parsed });
  } catch {
    // A key or an algorithm that the runtime cannot use proves nothing.
    return false;
  }
}

function isInForce({ thisUpdate, nextUpdate }: RevocationList, now: number): boolean {
  return thisUpdate <= now && (nextUpdate === null || now <= nextUpdate);
}

function serialDigits(serial: string): string {
  return serial.toLowerCase().replace(/^0+(?=.)/, "");
}
