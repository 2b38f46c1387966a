/**
 * Whether a server is the one that was meant, by the certificate that it has shown (RFC 9525).
 *
 * The runtime checks the chain up to an authority that is trusted. It leaves the name to us, and is more lenient than its
 * TLS library in what it takes for a certificate, as OpenSSL is; both are seen to here.
 *
 * @module
 */
import { checkServerIdentity, type PeerCertificate as NodeCertificate } from "node:tls";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { formatIp, parseIp } from "../bytes/ip_address.ts";
import type { PeerCertificate, UpstreamTlsOptions } from "../ports/transport.ts";
import { describeCertificate } from "./peer_certificate.ts";
import { hex, isVersion3, readCertificate } from "./x509_certificate.ts";

/** What a server's own certificate says. */
export interface ServerIdentity {
  readonly facts: PeerCertificate | null;
  /** Why nobody can be known by it, or null. */
  readonly defect: string | null;
  readonly isAuthority: boolean;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Host names of subjectAltName in lower case. */
  readonly hosts: readonly string[];
  /** Addresses of subjectAltName in the form of {@linkcode formatIp}. */
  readonly addresses: readonly string[];
  /** Of the subject: what a server goes by that has no host name in subjectAltName (RFC 6125 §6.4.4). */
  readonly commonNames: readonly string[];
}

/** What a handshake has brought to light. */
export interface PresentedCertificate {
  /** What the runtime has against the chain; empty for nothing. */
  readonly chainError: string;
  readonly resumed: boolean;
  /** The server's own; null when it sent none. */
  readonly certificate: ServerIdentity | null;
  /** The others that it sent, in DER. */
  readonly authorities: readonly Uint8Array[];
}

const ALTNAME_INVALID = "ERR_TLS_CERT_ALTNAME_INVALID";
const OLD_VERSION = "unsupported certificate version";

/** Why the server is not to be spoken with, or null. */
export function refusal(
  { chainError, resumed, certificate, authorities }: PresentedCertificate,
  { serverName, trustedCertificates }: Pick<UpstreamTlsOptions, "serverName" | "trustedCertificates">,
): string | null {
  if (chainError !== "") return explained(chainError, certificate);
  // Nothing is checked for a resumed session. The runtime resumes none towards servers; this is for the day it does.
  if (resumed) return "the session was resumed";
  if (certificate === null) return "there is none";
  if (certificate.defect !== null) return certificate.defect;
  if (authorities.some(isOldAndBelow)) return OLD_VERSION;
  const mismatch = nameMismatch(certificate, serverName);
  if (mismatch !== null) return mismatch;
  // An authority of our own may be the server itself, and may name it in the subject alone, as for OpenSSL.
  if (trustedCertificates !== null) return null;
  if (certificate.isAuthority) return "it is an authority's";
  return isNamed(certificate, serverName) ? null : ALTNAME_INVALID;
}

/**
 * Whether it is of a version before 3 and below another one. Such certificates do not say whether they are an
 * authority's, and the runtime takes any of them for one.
 */
function isOldAndBelow(der: Uint8Array): boolean {
  if (isVersion3(der)) return false;
  try {
    const { subject, issuer } = readCertificate(der);
    return subject !== issuer;
  } catch {
    return true;
  }
}

/** The runtime has one word for most of what can be wrong. */
function explained(chainError: string, certificate: ServerIdentity | null): string {
  if (certificate === null) return String(chainError);
  const now = Date.now();
  if (now > certificate.notAfter) return "CERT_HAS_EXPIRED";
  return now < certificate.notBefore ? "CERT_NOT_YET_VALID" : String(chainError);
}

/** What `node:tls` says of the name. It reads a list of names in one text, so it is given none that could pass for two. */
function nameMismatch({ hosts, addresses, commonNames }: ServerIdentity, serverName: string): string | null {
  const clean = hosts.filter((host) => HOST_NAME.test(host));
  const names = [
    ...clean.map((host) => `DNS:${host}`),
    ...addresses.map((address) => `IP Address:${address}`),
  ];
  const CN = hosts.length === 0 ? [...commonNames] : [];
  const shown = { subject: { CN }, subjectaltname: names.join(", ") };
  const mismatch: Error | undefined = checkServerIdentity(serverName, shown as unknown as NodeCertificate);
  return mismatch === undefined ? null : ALTNAME_INVALID;
}

/** With `*` for any label. */
const HOST_NAME = /^[a-z0-9*._-]+$/;

/** Whether subjectAltName has the name, or one with a `*` for its first label and nothing else. */
function isNamed({ hosts, addresses }: ServerIdentity, serverName: string): boolean {
  const address = parseIp(serverName);
  if (address !== null) return addresses.includes(formatIp(address));
  const host = serverName.toLowerCase().replace(/\.$/, "");
  const dot = host.indexOf(".");
  return hosts.includes(host) || dot > 0 && hosts.includes("*" + host.slice(dot));
}

/** Certificates that are kept: there are no more mail servers and services than this, as a rule. */
const KEPT = 64;

/** Reads the certificates of servers, each once: to read one costs as much as a handshake. */
export class ServerCertificateReader {
  readonly #known = new Map<string, ServerIdentity>();

  read(der: Uint8Array): ServerIdentity {
    const digits = der.toHex();
    const known = this.#known.get(digits);
    if (known !== undefined) return known;
    const identity = readIdentity(der, digits);
    if (this.#known.size >= KEPT) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(digits, identity);
    return identity;
  }
}

const UNREADABLE: ServerIdentity = {
  facts: null,
  defect: "it cannot be read",
  isAuthority: false,
  notBefore: 0,
  notAfter: Infinity,
  hosts: [],
  addresses: [],
  commonNames: [],
};

function readIdentity(der: Uint8Array, digits: string): ServerIdentity {
  try {
    const { authority, notBefore, notAfter, parsed } = readCertificate(der);
    const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
    const valuesOf = (kind: "dns" | "ip") =>
      names.filter(({ type }) => type === kind).map(({ value }) => value);
    return {
      facts: describeCertificate(der),
      // The runtime takes the signature of the handshake for good when its TLS library cannot read the certificate: one
      // of a version before 3, or a key that is not written as DER has it.
      defect: !isVersion3(der)
        ? OLD_VERSION
        : !digits.includes(hex(parsed.publicKey.rawData))
        ? "unsupported form of the key"
        : null,
      isAuthority: authority?.isAuthority ?? false,
      notBefore,
      notAfter,
      hosts: valuesOf("dns").map((name) => name.toLowerCase()),
      addresses: valuesOf("ip").map((text) => parseIp(text)).filter((ip) => ip !== null).map(formatIp),
      commonNames: parsed.subjectName.getField("CN"),
    };
  } catch {
    return UNREADABLE;
  }
}
