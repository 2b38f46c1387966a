/**
 * Whether a server is the one that was meant, by the certificate that it has shown (RFC 9525).
 *
 * The runtime checks the chain up to an authority that is trusted. It leaves the name to us, and what its TLS library
 * cannot read it checks by itself, and hardly (`certificate_form.ts`); both are seen to here. The chain to authorities
 * of our own is checked again in `own_authorities.ts`.
 *
 * @module
 */
import { checkServerIdentity, type PeerCertificate as NodeCertificate } from "node:tls";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { formatIp, parseIp } from "../bytes/ip_address.ts";
import type { PeerCertificate, UpstreamTlsOptions } from "../ports/transport.ts";
import { describeCertificate } from "./peer_certificate.ts";
import { formDefect, isReadAsAuthority } from "./certificate_form.ts";
import { type Certificate, isForServers, maySignCertificates, readCertificate } from "./x509_certificate.ts";

/** What a certificate that a server sends says. */
export interface ServerIdentity {
  readonly facts: PeerCertificate | null;
  /** Why nobody can be known by it, or null. */
  readonly defect: string | null;
  /** Why nothing below it can be known by it, or null. */
  readonly defectAbove: string | null;
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
  /** The others that it sent. */
  readonly authorities: readonly ServerIdentity[];
}

const ALTNAME_INVALID = "ERR_TLS_CERT_ALTNAME_INVALID";

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
  for (const { defectAbove } of authorities) if (defectAbove !== null) return defectAbove;
  const mismatch = nameMismatch(certificate, serverName);
  if (mismatch !== null) return mismatch;
  // An authority of our own may be the server itself, and may name it in the subject alone, as for OpenSSL.
  if (trustedCertificates !== null) return null;
  if (certificate.isAuthority) return "it is an authority's";
  return isNamed(certificate, serverName) ? null : ALTNAME_INVALID;
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
    const identity = readIdentity(der);
    if (this.#known.size >= KEPT) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(digits, identity);
    return identity;
  }
}

const CANNOT_BE_READ = "it cannot be read";

const UNREADABLE: ServerIdentity = {
  facts: null,
  defect: CANNOT_BE_READ,
  defectAbove: CANNOT_BE_READ,
  isAuthority: false,
  notBefore: 0,
  notAfter: Infinity,
  hosts: [],
  addresses: [],
  commonNames: [],
};

function readIdentity(der: Uint8Array): ServerIdentity {
  try {
    const certificate = readCertificate(der);
    const { authority, notBefore, notAfter, parsed } = certificate;
    const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
    const valuesOf = (kind: "dns" | "ip") =>
      names.filter(({ type }) => type === kind).map(({ value }) => value);
    const defect = formDefect(der, certificate);
    return {
      facts: describeCertificate(der),
      defect: defect ?? (isForServers(certificate) ? null : "it is not for servers"),
      defectAbove: isOldRoot(der, certificate) ? null : defect ?? authorityDefect(certificate),
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

/** Whether it is an authority's own of a version before 3, as some servers send along; it is below none. */
function isOldRoot(der: Uint8Array, { isVersion3, subject, issuer }: Certificate): boolean {
  return !isVersion3 && subject === issuer && isReadAsAuthority(der);
}

/** Why it is no authority's, or null. The runtime asks for less where its TLS library cannot read the whole chain. */
function authorityDefect(certificate: Certificate): string | null {
  const isAuthority = certificate.authority?.isAuthority ?? false;
  if (!isAuthority || !maySignCertificates(certificate)) return "what came along is no authority's";
  return certificate.hasUnknownCritical ? "unhandled critical extension" : null;
}
