import { isIPv4, isIPv6 } from "@std/net/unstable-ip";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { lookup } from "node:dns/promises";
import { checkServerIdentity, connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import {
  ConnectionError,
  type Dialer,
  type SocketAddress,
  type TlsFacts,
  type Transport,
  type UpstreamTlsOptions,
} from "../ports/transport.ts";
import { toConnectionError } from "./connection_errors.ts";
import { describeCertificate, presentedChain } from "./peer_certificate.ts";
import { SocketTransport } from "./socket_transport.ts";
import { handshake, type TlsLayers } from "./tls_handshake.ts";
import { TlsTransport } from "./tls_transport.ts";
import { readCertificate } from "./x509_certificate.ts";

/** Opens TCP and Unix connections, and TLS on them. Of a host name all addresses are tried (RFC 8305). */
export function createDialer(): Dialer {
  return { resolve, connect, startTls };
}

async function resolve(target: SocketAddress, signal: AbortSignal): Promise<readonly SocketAddress[]> {
  if (target.kind === "unix" || isAddress(target.host)) return [target];
  const { port } = target;
  try {
    const found = await unlessAborted(lookup(target.host, { all: true, order: "verbatim" }), signal);
    return found.map(({ address }) => ({ kind: "tcp", host: address, port }));
  } catch (error) {
    throw toConnectionError(error, `find ${target.host}`);
  }
}

/** The system's look-up cannot be stopped, only left alone. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function connect(target: SocketAddress, signal: AbortSignal): Promise<Transport> {
  try {
    signal.throwIfAborted();
    const socket = target.kind === "tcp"
      // There is nothing to choose among for an address, and choosing takes timers.
      ? await Deno.connect({
        hostname: target.host,
        port: target.port,
        signal,
        autoSelectFamily: !isAddress(target.host),
      })
      : await Deno.connect({ transport: "unix", path: target.path });
    return new SocketTransport(socket);
  } catch (error) {
    throw toConnectionError(error, `connect to ${formatSocketAddress(target)}`);
  }
}

/**
 * `Deno.startTls` always verifies, has no certificate of ours, and adds given authorities to the built-in ones instead
 * of replacing them. So it serves the plain case, and `node:tls` the others.
 */
function startTls(plain: Transport, options: UpstreamTlsOptions): Promise<Transport> {
  const isPlainCase = options.verify && options.trustedCertificates === null && options.certificate === null;
  const upgraded = isPlainCase && plain instanceof SocketTransport
    ? plain.handOver((socket) => Deno.startTls(socket, { hostname: options.serverName }))
    : null;
  return upgraded === null
    ? startNodeTls(plain, options)
    : finishDenoTls(plain, upgraded, options.serverName);
}

/** What `Deno.startTls` verified; protocol and cipher are not told by the runtime. */
const VERIFIED: Omit<TlsFacts, "serverName"> = {
  protocol: "",
  cipher: "",
  alpn: null,
  resumed: false,
  peer: null,
  verdict: { kind: "success" },
};

async function finishDenoTls(
  plain: Transport,
  upgraded: Promise<Deno.TlsConn>,
  name: string,
): Promise<Transport> {
  try {
    const socket = await upgraded;
    // Without this the handshake would run, and fail, in the first read or write.
    await socket.handshake();
    return new SocketTransport(socket, { ...VERIFIED, serverName: indicatedName(name) });
  } catch (error) {
    plain.close();
    throw handshakeError(error);
  }
}

function handshakeError(error: unknown): ConnectionError {
  const { code, message } = toConnectionError(error, "finish the TLS handshake");
  if (code !== "other") return new ConnectionError(code, message, { cause: error });
  const isCertificate = /invalid peer certificate/.test(message);
  return new ConnectionError(isCertificate ? "certificate" : "tls", message, { cause: error });
}

async function startNodeTls(plain: Transport, options: UpstreamTlsOptions): Promise<Transport> {
  const layers = await handshake(
    plain,
    (stream) => connectTls({ ...connectionOptions(options), socket: stream }),
    { done: "secureConnect" },
  );
  const reason = options.verify ? refusal(layers.socket) : null;
  if (reason === null) return new TlsTransport(plain, layers, readFacts(layers, options));
  plain.close();
  layers.socket.destroy();
  layers.duplex.destroy();
  throw new ConnectionError(
    "certificate",
    `Cannot accept the certificate for "${options.serverName}": ${reason}`,
  );
}

function connectionOptions(options: UpstreamTlsOptions): ConnectionOptions {
  return {
    ...(indicatedName(options.serverName) !== null && { servername: options.serverName }),
    ...(options.trustedCertificates !== null && { ca: options.trustedCertificates }),
    ...(options.certificate !== null && { cert: options.certificate }),
    ...(options.certificateKey !== null && { key: options.certificateKey }),
    checkServerIdentity: (_name, certificate) => checkServerIdentity(options.serverName, certificate),
    // The verdict is asked for after the handshake, so that it can be told from failures of TLS itself.
    rejectUnauthorized: false,
  };
}

/** The server name indication; an address has none (RFC 6066 §3). */
function indicatedName(serverName: string): string | null {
  return isAddress(serverName) ? null : serverName;
}

/** Why the server's certificate is not good enough, or null. */
function refusal(socket: TLSSocket): string | null {
  if (!socket.authorized) return String(socket.authorizationError ?? "not verified");
  // The runtime skips its checks of the name for a resumed session, and does not check signatures with certificates
  // of versions before 3. It resumes none towards servers; this is for the day it does.
  if (socket.isSessionReused()) return "the session was resumed";
  const leaf = presentedChain(socket)[0];
  if (leaf === undefined) return "there is none";
  return readCertificate(leaf).isVersion3 ? null : "unsupported certificate version";
}

function readFacts({ socket }: TlsLayers, options: UpstreamTlsOptions): TlsFacts {
  const leaf = presentedChain(socket)[0];
  return {
    protocol: socket.getProtocol() ?? "",
    cipher: socket.getCipher().name,
    serverName: indicatedName(options.serverName),
    alpn: null,
    resumed: socket.isSessionReused(),
    peer: leaf === undefined ? null : describeCertificate(leaf),
    verdict: { kind: options.verify ? "success" : "none" },
  };
}

/** For addresses and host names of the configuration or the callout, whose syntax was checked before. */
function isAddress(host: string): boolean {
  return isIPv4(host) || isIPv6(host);
}
