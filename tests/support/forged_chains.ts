/**
 * Chains that anybody can make, of which Deno's `node:tls` takes some for good when it is given authorities of one's
 * own: where its TLS library cannot read a certificate that was shown, it compares names only.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { Authority, type CertificateAndKey, testCertificates } from "./certificates.ts";

/** All certificates of a PEM text, in DER. */
export function ders(pem: string): Uint8Array[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, base64]) =>
    Uint8Array.fromBase64(base64!)
  );
}

function pemOfDer(der: Uint8Array): string {
  return x509.PemConverter.encode(der.slice().buffer, "CERTIFICATE") + "\n";
}

/** `der` with other octets in place of the first `from`, all in hexadecimal. */
export function replaced(der: Uint8Array, from: string, to: string): Uint8Array {
  assert.ok(der.toHex().includes(from), `${from} is not there`);
  return Uint8Array.fromHex(der.toHex().replace(from, to));
}

/** An authority's certificate with two basicConstraints, which the runtime's TLS library does not read. */
function doubled(pem: string): string {
  return pemOfDer(replaced(ders(pem)[0]!, "0603551d0e", "0603551d13"));
}

/** A certificate as if it were of version 1. */
export function ofVersion1(pem: string): string {
  return pemOfDer(replaced(ders(pem)[0]!, "a003020102", "a003020100"));
}

/** A chain with the key of its first certificate, and what is special of it. */
export interface ForgedChain extends CertificateAndKey {
  readonly what: string;
}

/**
 * Chains for `name`, one of the test server's, that end at an authority of the test root's name and not at the test
 * root; and the test server's own with another key.
 */
export async function forgedChains(name: string): Promise<readonly ForgedChain[]> {
  const { root, server, otherServer } = await testCertificates();
  const subject = new x509.X509Certificate(root.certificate).subject.replace("CN=", "");
  const below = await Authority.create({ subject: "Below" }, await Authority.create({ subject }));
  const { certificate, key } = await below.issue({ subject: name, names: [name] });
  const leaf = pemOfDer(ders(certificate)[0]!);
  const junk = ofVersion1((await Authority.create({ subject: "Junk" })).certificate);
  const old = ofVersion1(below.certificate);
  const many = (await Authority.create({ subject: "Many" })).certificate.repeat(17);
  const above = [
    ["what is read is shown", below.certificate],
    ["it cannot be read", doubled(below.certificate) + junk],
    ["it is of version 1", old],
    ["it comes after many", many + old],
  ] as const;
  const copied = { certificate: ofVersion1(server.certificate), key: otherServer.key };
  return [
    ...above.map(([what, chain]) => ({ what, certificate: leaf + chain, key })),
    { what: "it is copied, and cannot be read", ...copied },
  ];
}

/** A server over TLS that listens to everybody. */
export interface TlsServer {
  readonly port: number;
  /** All that was said to it within TLS. */
  readonly heard: string;
}

/** Runs `use` with a server that shows the certificate of `pair`, and ends it. */
export async function withTlsServer(
  { certificate: cert, key }: CertificateAndKey,
  use: (server: TlsServer) => Promise<void>,
): Promise<void> {
  let heard = "";
  const server = createServer({ cert, key }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (octets) => heard += octets.toString("latin1"));
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await use({
      port,
      get heard() {
        return heard;
      },
    });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
