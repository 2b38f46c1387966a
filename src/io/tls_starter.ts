/**
 * The client side of TLS, towards mail servers and services.
 *
 * `Deno.startTls` is not it: the runtime closes its connections on a few threads that sleep before they do, so that no
 * more than some hundred of them are closed in a second and the descriptors of the others are held.
 *
 * @module
 */
import { connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import {
  ConnectionError,
  type TlsFacts,
  type Transport,
  type UpstreamTlsOptions,
} from "../ports/transport.ts";
import { parseIp } from "../bytes/ip_address.ts";
import { tlsError } from "./connection_errors.ts";
import { EngineTransport } from "./engine_transport.ts";
import { OwnAuthorities } from "./own_authorities.ts";
import { presentedChain } from "./peer_certificate.ts";
import { type PresentedCertificate, refusal, ServerCertificateReader } from "./server_identity.ts";
import { type ClientEngineFactory, createClientEngineFactory } from "./tls_engine.ts";
import { handshake } from "./tls_handshake.ts";
import { TlsTransport } from "./tls_transport.ts";

/** Made at the first handshake; null where the runtime has none. */
let engines: ClientEngineFactory | null | undefined;

const reader = new ServerCertificateReader();

/** See {@linkcode Connector.startTls}. */
export async function startTls(plain: Transport, options: UpstreamTlsOptions): Promise<Transport> {
  engines ??= createClientEngineFactory();
  if (engines === null) return await startTlsWithStreams(plain, options);
  let transport: EngineTransport;
  try {
    transport = new EngineTransport(
      plain,
      engines(contextFor(options).context, indicatedName(options.serverName)),
    );
  } catch (error) {
    plain.close();
    throw tlsError(error);
  }
  try {
    await transport.handshake(null, (engine, { resumed }) => {
      return judged(options, { chainError: engine.chainError(), resumed, chain: engine.peerChain() });
    });
  } catch (error) {
    throw certificateFailure(error, options) ?? error;
  }
  return transport;
}

/** The same with the streams of `node:tls`. */
export async function startTlsWithStreams(
  plain: Transport,
  options: UpstreamTlsOptions,
): Promise<Transport> {
  const name = indicatedName(options.serverName);
  const layers = await handshake(
    plain,
    (socket) =>
      connectTls({
        ...(name !== null && { servername: name }),
        socket,
        secureContext: contextFor(options).context,
        // The certificate is judged after the handshake, so that what is wrong with it can be told from failures of TLS.
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      }),
    { done: "secureConnect" },
  ).catch((error) => {
    throw certificateFailure(error, options) ?? error;
  });
  const { socket } = layers;
  try {
    const facts = await judged(options, {
      chainError: socket.authorized ? "" : String(socket.authorizationError ?? "not verified"),
      resumed: socket.isSessionReused(),
      chain: presentedChain(socket),
    });
    return new TlsTransport(plain, layers, {
      protocol: socket.getProtocol() ?? "",
      cipher: socket.getCipher().name,
      alpn: null,
      resumed: socket.isSessionReused(),
      ...facts,
    });
  } catch (error) {
    plain.close();
    socket.destroy();
    layers.duplex.destroy();
    throw error;
  }
}

/** Some servers send their own certificate along once more. */
function readChain(chain: readonly Uint8Array[]): Pick<PresentedCertificate, "certificate" | "authorities"> {
  const [certificate = null, ...others] = chain.map((der) => reader.read(der));
  return { certificate, authorities: others.filter((other) => other !== certificate) };
}

/** @throws {ConnectionError} with code `certificate`. */
async function judged(
  options: UpstreamTlsOptions,
  { chain, ...facts }: Pick<PresentedCertificate, "chainError" | "resumed"> & {
    /** What the server sent, in DER, its own first. */
    readonly chain: readonly Uint8Array[];
  },
): Promise<Pick<TlsFacts, "serverName" | "peer" | "verdict">> {
  const { serverName, verify } = options;
  const read = readChain(chain);
  const reason = !verify ? null : refusal({ ...facts, ...read }, options) ??
    await contextFor(options).authorities?.refusal(chain) ?? null;
  if (reason !== null) throw notAccepted(serverName, reason);
  return {
    serverName: indicatedName(serverName),
    peer: read.certificate?.facts ?? null,
    verdict: { kind: verify ? "success" : "none" },
  };
}

function notAccepted(serverName: string, reason: string, cause?: unknown): ConnectionError {
  const text = `Cannot accept the certificate for "${serverName}": ${reason}`;
  return new ConnectionError("certificate", text, { cause });
}

/** OpenSSL's codes for certificates, in the runtime's errors. */
const ABOUT_CERTIFICATE = /^(?:ERR_SSL_)?(?:UNABLE_TO_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_PURPOSE)/;

/** The error of a handshake that failed for a certificate with which nothing at all can be done, or null. */
function certificateFailure(error: unknown, { serverName }: UpstreamTlsOptions): ConnectionError | null {
  const cause = error instanceof ConnectionError && error.code === "tls" ? error.cause : null;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return ABOUT_CERTIFICATE.test(code) ? notAccepted(serverName, code, error) : null;
}

type Material = Pick<UpstreamTlsOptions, "trustedCertificates" | "certificate" | "certificateKey">;

/** What servers are dealt with by. */
interface Known {
  readonly material: Material;
  readonly context: SecureContext;
  /** Null for those that the runtime trusts. */
  readonly authorities: OwnAuthorities | null;
}

/** What was made last, the newest first. To make a context with a key costs a third of a handshake. */
const contexts: Known[] = [];
/** A configuration seldom has more. */
const KEPT_CONTEXTS = 8;

/** The authorities that are trusted, and our certificate. */
function contextFor({ trustedCertificates, certificate, certificateKey }: Material): Known {
  const known = contexts.find(({ material }) =>
    material.trustedCertificates === trustedCertificates && material.certificate === certificate &&
    material.certificateKey === certificateKey
  );
  if (known !== undefined) return known;
  const made = {
    material: { trustedCertificates, certificate, certificateKey },
    context: createSecureContext({
      ...(trustedCertificates !== null && { ca: trustedCertificates }),
      ...(certificate !== null && { cert: certificate }),
      ...(certificateKey !== null && { key: certificateKey }),
    }),
    authorities: trustedCertificates === null ? null : new OwnAuthorities(trustedCertificates),
  };
  contexts.unshift(made);
  contexts.length = Math.min(contexts.length, KEPT_CONTEXTS);
  return made;
}

/** The server name indication, without the dot of the root; an address has none (RFC 6066 §3). */
function indicatedName(serverName: string): string | null {
  return parseIp(serverName) !== null ? null : serverName.replace(/\.$/, "");
}
