/**
 * The files of TLS towards clients, read as they are now.
 *
 * @module
 */
import type { ServerSettings } from "../config/settings.ts";
import { certificateExpiry } from "../io/server_certificates.ts";
import { createTlsAcceptor } from "../io/tls_acceptor.ts";
import type { TlsAcceptor } from "../ports/transport.ts";

/** Until when a certificate is valid. */
export interface CertificateExpiry {
  /** As the configuration names it. */
  readonly file: string;
  /** Seconds since the epoch. */
  readonly notAfter: number;
}

/** The directives that TLS towards clients is made of. */
export type TlsSettings = Pick<
  ServerSettings,
  | "ssl_certificates"
  | "ssl_password_file"
  | "ssl_protocols"
  | "ssl_verify_client"
  | "ssl_verify_depth"
  | "ssl_client_certificate"
  | "ssl_trusted_certificate"
  | "ssl_crl"
  | "ssl_certificate_watch"
>;

/** What was read. */
export interface ReadTls {
  readonly acceptor: TlsAcceptor;
  readonly certificates: readonly CertificateExpiry[];
}

/** Takes the settings of TLS alone: servers in which they are the same can share what is made of them. */
export function tlsSettings(settings: ServerSettings): TlsSettings {
  const { ssl_certificates, ssl_password_file, ssl_protocols, ssl_verify_client, ssl_verify_depth } =
    settings;
  const { ssl_client_certificate, ssl_trusted_certificate, ssl_crl, ssl_certificate_watch } = settings;
  return {
    ssl_certificates,
    ssl_password_file,
    ssl_protocols,
    ssl_verify_client,
    ssl_verify_depth,
    ssl_client_certificate,
    ssl_trusted_certificate,
    ssl_crl,
    ssl_certificate_watch,
  };
}

/**
 * Reads the files.
 * @throws {Error} when one is missing or broken, or a key does not belong to its certificate.
 */
export async function readTls(settings: TlsSettings): Promise<ReadTls> {
  const passphrases = (await readOptional(settings.ssl_password_file))?.split(/\r?\n/).filter((line) =>
    line !== ""
  );
  const certificates = await Promise.all(settings.ssl_certificates.map(async ({ certificate, key }) => ({
    certificatePem: await Deno.readTextFile(certificate),
    keyPem: await Deno.readTextFile(key),
    ...(passphrases === undefined ? {} : { passphrases }),
  })));
  const acceptor = createTlsAcceptor({
    certificates,
    protocols: settings.ssl_protocols,
    verifyClient: settings.ssl_verify_client,
    verifyDepth: settings.ssl_verify_depth,
    clientCaPem: await readOptional(settings.ssl_client_certificate),
    trustedPem: await readOptional(settings.ssl_trusted_certificate),
    crlPem: await readOptional(settings.ssl_crl),
  });
  const expiries = settings.ssl_certificates.map(({ certificate }, at) => ({
    file: certificate,
    notAfter: certificateExpiry(certificates[at]!.certificatePem),
  }));
  return { acceptor, certificates: expiries };
}

/**
 * Tells one state of the files from another: what a name leads to, when that was written, and how long it is. It
 * changes too when a symbolic link on the way is set anew, as certbot and Kubernetes do.
 */
export async function stateOfFiles(settings: TlsSettings): Promise<string> {
  const names = [
    ...settings.ssl_certificates.flatMap(({ certificate, key }) => [certificate, key]),
    settings.ssl_password_file,
    settings.ssl_client_certificate,
    settings.ssl_trusted_certificate,
    settings.ssl_crl,
  ].filter((name) => name !== null);
  return (await Promise.all(names.map(stateOf))).join(" ");
}

async function stateOf(name: string): Promise<string> {
  try {
    const { dev, ino, mtime, size } = await Deno.stat(name);
    return `${dev}:${ino}:${mtime?.getTime()}:${size}`;
  } catch {
    // Whoever reads it says what is wrong.
    return "none";
  }
}

async function readOptional(path: string | null): Promise<string | null> {
  return path === null ? null : await Deno.readTextFile(path);
}
