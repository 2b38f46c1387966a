import { createDialer } from "../../../src/io/dialer.ts";
import { openListener } from "../../../src/io/listener.ts";
import { createTlsAcceptor, type TlsAcceptorOptions } from "../../../src/io/tls_acceptor.ts";
import type { Transport, UpstreamTlsOptions } from "../../../src/ports/transport.ts";
import { type CertificateAndKey, testCertificates } from "../../support/certificates.ts";
import { connectedPair, onTcp } from "./pair.ts";

/** The form of {@linkcode TlsAcceptorOptions.certificates}. */
export function pemOf({ certificate, key }: CertificateAndKey) {
  return { certificatePem: certificate, keyPem: key };
}

/** A server for `mail.test` that asks for no certificate, but for `changes`. */
export async function acceptorOptions(
  changes: Partial<TlsAcceptorOptions> = {},
): Promise<TlsAcceptorOptions> {
  return {
    certificates: [pemOf((await testCertificates()).server)],
    protocols: ["TLSv1.2", "TLSv1.3"],
    verifyClient: "off",
    verifyDepth: 1,
    clientCaPem: null,
    trustedPem: null,
    crlPem: null,
    ...changes,
  };
}

/** A client that trusts the test's root, but for `changes`. */
export async function upstreamOptions(
  changes: Partial<UpstreamTlsOptions> = {},
): Promise<UpstreamTlsOptions> {
  const { root } = await testCertificates();
  return {
    serverName: "mail.test",
    verify: true,
    trustedCertificates: root.certificate,
    certificate: null,
    certificateKey: null,
    ...changes,
  };
}

/** The two ways of an acceptor and a dialer: the second is for runtimes that do not have the first. */
export const WAYS = ["engine", "streams"] as const;
export type Way = typeof WAYS[number];

/** A test for each of the {@linkcode WAYS}. */
export function tlsTest(name: string, run: (way: Way) => Promise<void>): void {
  for (const way of WAYS) Deno.test(`${name} (${way})`, () => run(way));
}

/** Both ends of a TLS connection: our acceptor and our dialer, in the same way. */
export async function tlsPair(
  way: Way,
  acceptor: Partial<TlsAcceptorOptions> = {},
  upstream: Partial<UpstreamTlsOptions> = {},
): Promise<{ client: Transport; server: Transport }> {
  const [serverOptions, clientOptions] = await Promise.all([
    acceptorOptions(acceptor),
    upstreamOptions(upstream),
  ]);
  const plain = await connectedPair();
  const [client, server] = await Promise.all([
    createDialer(way).startTls(plain.client, clientOptions),
    createTlsAcceptor(serverOptions, way).accept(plain.server),
  ]);
  return { client, server };
}

/** Our acceptor and the client of `Deno.startTls`. */
export async function tlsPairWithDeno(
  way: Way,
  acceptor: Partial<TlsAcceptorOptions> = {},
  upgrade: Deno.StartTlsOptions = {},
): Promise<{ client: Deno.TlsConn; server: Transport }> {
  const options = await acceptorOptions(acceptor);
  const { root } = await testCertificates();
  const { socket, server: plain } = await denoPair();
  const [client, server] = await Promise.all([
    denoClient(socket, { hostname: "mail.test", caCerts: [root.certificate], ...upgrade }),
    createTlsAcceptor(options, way).accept(plain),
  ]);
  return { client, server };
}

async function denoClient(socket: Deno.TcpConn, upgrade: Deno.StartTlsOptions): Promise<Deno.TlsConn> {
  const client = await Deno.startTls(socket, upgrade);
  await client.handshake();
  return client;
}

/** A plain connection whose client end is the runtime's own. */
export async function denoPair(): Promise<{ socket: Deno.TcpConn; server: Transport }> {
  const listener = await openListener(onTcp("127.0.0.1"), { reusePort: false });
  const { address } = listener!;
  const socket = await Deno.connect({
    hostname: "127.0.0.1",
    port: address.kind === "tcp" ? address.port : 0,
  });
  const server = await listener.accept();
  listener.close();
  return { socket, server: server! };
}
