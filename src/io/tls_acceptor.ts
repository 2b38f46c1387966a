import type { Duplex } from "node:stream";
import { type SecureContext, TLSSocket, type TLSSocketOptions } from "node:tls";
import type { TlsVersion, VerifyClient } from "../config/settings.ts";
import type { TlsAcceptor, Transport } from "../ports/transport.ts";
import { CertificateJudge } from "./certificate_judge.ts";
import { CLIENT_HELLO_OCTETS, type ClientHello, readClientHello } from "./client_hello.ts";
import { describeCertificate, presentedChain } from "./peer_certificate.ts";
import { type ReadyCertificate, type ServerCertificate, ServerCertificates } from "./server_certificates.ts";
import { isReset, silent } from "./connection_errors.ts";
import {
  type CertificateFacts,
  createEngineFactory,
  type EngineMaker,
  type EngineSettings,
  NO_CERTIFICATE,
  type TlsEngine,
} from "./tls_engine.ts";
import { EngineTransport } from "./engine_transport.ts";
import { handshake } from "./tls_handshake.ts";
import { TlsTransport } from "./tls_transport.ts";

/** TLS towards clients (`ssl_*`), with files read. */
export interface TlsAcceptorOptions {
  /** At least one; the first is for clients that ask for no name, or for one that nobody has. */
  readonly certificates: readonly ServerCertificate[];
  /** One version or both; they need not be in order. */
  readonly protocols: readonly TlsVersion[];
  readonly verifyClient: VerifyClient;
  readonly verifyDepth: number;
  /** PEM of authorities whose names are sent to clients (`ssl_client_certificate`), or null. */
  readonly clientCaPem: string | null;
  /** PEM of authorities whose names are not sent (`ssl_trusted_certificate`), or null. */
  readonly trustedPem: string | null;
  /** PEM of revocation lists (`ssl_crl`), or null. */
  readonly crlPem: string | null;
}

/**
 * The server side of TLS. Clients may resume sessions; their certificates are judged anew then. A client that offers
 * application protocols must offer `smtp` (spec §5.1). The verdict on a client's certificate is in the facts: the
 * handshake does not fail for it. With `engine` the streams are still taken where the runtime has no engine.
 * @throws {Error} when a certificate, key or list cannot be used.
 */
export function createTlsAcceptor(
  options: TlsAcceptorOptions,
  way: "engine" | "streams" = "engine",
): TlsAcceptor {
  const asksForCertificate = options.verifyClient !== "off";
  const certificates = new ServerCertificates(options.certificates, {
    minVersion: options.protocols.includes("TLSv1.2") ? "TLSv1.2" : "TLSv1.3",
    maxVersion: options.protocols.includes("TLSv1.3") ? "TLSv1.3" : "TLSv1.2",
    ...(asksForCertificate && options.clientCaPem !== null && { ca: options.clientCaPem }),
  });
  const judge = asksForCertificate ? createJudge(options) : null;
  const settings = { requestCert: asksForCertificate, protocols: ["smtp"] };
  const factory = way === "streams" ? null : createEngineFactory(certificates.choose(null));
  const makers = factory === null ? null : new Map(
    certificates.all.map((one) => [one.context, triedOut(factory(one.context, settings), one)]),
  );
  const judgement = judge === null ? null : (engine: TlsEngine) => judgeChain(judge, engine.peerChain());
  const accept = (plain: Transport, octets: Uint8Array | null, serverName: string | null) => {
    const context = certificates.choose(serverName);
    if (makers === null) return acceptWithStreams(plain, context, settings, octets, judge);
    return new EngineTransport(plain, makers.get(context)!).handshake(octets, judgement);
  };
  return {
    accept(plain: Transport): Promise<Transport> {
      // With one certificate there is nothing to choose.
      return certificates.all.length === 1
        ? accept(plain, null, null)
        : readFirst(plain).then(({ octets, serverName }) => accept(plain, octets, serverName));
    },
    knows: (serverName) => certificates.knows(serverName),
  };
}

/** OpenSSL's idea of a certificate, which the context was made with, is wider than that of the runtime's TLS. */
function triedOut(makeEngine: EngineMaker, { subject }: ReadyCertificate): EngineMaker {
  try {
    makeEngine({ received() {}, ended() {}, failed() {} }).release();
  } catch (error) {
    throw new Error(`Cannot use certificate "${subject}": the runtime's TLS does not know such keys`, {
      cause: error,
    });
  }
  return makeEngine;
}

function createJudge(options: TlsAcceptorOptions): CertificateJudge {
  return new CertificateJudge({
    anchorsPem: [options.clientCaPem, options.trustedPem].filter((pem) => pem !== null).join("\n"),
    depth: options.verifyDepth,
    crlPem: options.crlPem,
  });
}

/**
 * Reads until the client has said which name it asks for, or cannot say it any more.
 * @throws {ConnectionError} `plain` is closed then.
 */
async function readFirst(plain: Transport): Promise<{ octets: Uint8Array; serverName: string | null }> {
  const buffer = new Uint8Array(CLIENT_HELLO_OCTETS);
  let filled = 0;
  let hello: ClientHello = { kind: "more" };
  try {
    while (hello.kind === "more" && filled < buffer.length) {
      const count = await plain.read(buffer.subarray(filled));
      if (count === null) break;
      filled += count;
      hello = readClientHello(buffer.subarray(0, filled));
    }
  } catch (error) {
    plain.close();
    throw filled === 0 && isReset(error) ? silent() : error;
  }
  return { octets: buffer.slice(0, filled), serverName: hello.kind === "hello" ? hello.serverName : null };
}

async function acceptWithStreams(
  plain: Transport,
  secureContext: SecureContext,
  { requestCert, protocols }: EngineSettings,
  first: Uint8Array | null,
  judge: CertificateJudge | null,
): Promise<Transport> {
  const options: TLSSocketOptions = {
    isServer: true,
    secureContext,
    ALPNProtocols: [...protocols],
    requestCert,
    rejectUnauthorized: false,
  };
  const wrap = (stream: Duplex) => new TLSSocket(stream as TLSSocket, options);
  const layers = await handshake(plain, wrap, { done: "secure", first });
  const { socket } = layers;
  const { servername } = socket as { servername?: string | null };
  return new TlsTransport(plain, layers, {
    protocol: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    serverName: servername ? servername : null,
    alpn: socket.alpnProtocol ? socket.alpnProtocol : null,
    resumed: socket.isSessionReused(),
    ...judge === null ? NO_CERTIFICATE : await judgeChain(judge, presentedChain(socket)),
  });
}

async function judgeChain(judge: CertificateJudge, chain: readonly Uint8Array[]): Promise<CertificateFacts> {
  const verdict = await judge.judge(chain, Date.now());
  return { peer: chain[0] === undefined ? null : describeCertificate(chain[0]), verdict };
}
