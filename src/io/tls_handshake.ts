import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { ConnectionError, type Transport } from "../ports/transport.ts";
import { ByteStreamDuplex } from "./byte_stream_duplex.ts";
import { ReceivedOctets } from "./tls_transport.ts";

/** A TLS connection after the handshake, in its parts. */
export interface TlsLayers {
  readonly duplex: ByteStreamDuplex;
  readonly socket: TLSSocket;
  readonly received: ReceivedOctets;
}

/** How a handshake is run. */
export interface HandshakeOptions {
  /** The event that ends it. */
  readonly done: "secure" | "secureConnect";
  /** What was read of it already. */
  readonly first?: Uint8Array | null;
}

/**
 * Runs a handshake on `plain`: `wrap` makes the TLS socket over the stream it is given.
 * @throws {ConnectionError} with code `tls`, `reset`, `closed`, or of clients `silent`; `plain` is closed then, after an alert.
 */
export async function handshake(
  plain: Transport,
  wrap: (stream: Duplex) => TLSSocket,
  { done, first = null }: HandshakeOptions,
): Promise<TlsLayers> {
  const received = new ReceivedOctets();
  const duplex = new ByteStreamDuplex(plain, () => received.empty, first);
  let socket: TLSSocket | null = null;
  try {
    socket = wrap(duplex);
    await listen(socket, duplex, received, done);
    return { duplex, socket, received };
  } catch (error) {
    if (!duplex.writtenAny) await sendAlert(plain, error);
    plain.close();
    socket?.destroy();
    duplex.destroy();
    // Of clients it is worth knowing: those that only look whether somebody listens do no more.
    if (done === "secure" && !duplex.readAny && isReset(error)) throw silent();
    throw error instanceof ConnectionError ? error : tlsError(error);
  }
}

/**
 * Settles when the handshake has ended. The listeners stay for the life of the socket: an 'error' event that nobody
 * hears would end the process. They are the same for the handshake and for what follows, as each costs memory.
 */
function listen(
  socket: TLSSocket,
  duplex: ByteStreamDuplex,
  received: ReceivedOctets,
  done: HandshakeOptions["done"],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const lost = () =>
      reject(new ConnectionError("reset", "Cannot finish the TLS handshake: connection lost"));
    const fail = (error: Error) => {
      received.fail(() => error instanceof ConnectionError ? error : tlsError(error));
      reject(error);
      duplex.destroy(error);
    };
    socket.once(done, () => resolve());
    socket.on("data", (chunk: Uint8Array) => received.push(chunk));
    socket.on("end", () => {
      received.end();
      lost();
    });
    socket.on("error", fail);
    // A bad record after the handshake: node:tls raises 'error' for it only on sockets of its own servers.
    socket.on("_tlsError", fail);
    socket.on("close", () => {
      received.fail(connectionLost);
      lost();
    });
    duplex.on("error", (error: Error) => {
      if (error instanceof ConnectionError) received.fail(() => error);
      reject(error);
    });
    duplex.on("end", lost);
    duplex.on("close", lost);
  });
}

function isReset(error: unknown): boolean {
  return error instanceof ConnectionError && error.code === "reset";
}

function silent(): ConnectionError {
  return new ConnectionError("silent", "the client closed the connection before the TLS handshake");
}

function connectionLost(): ConnectionError {
  return new ConnectionError("reset", "Cannot read: connection lost");
}

function tlsError(error: unknown): ConnectionError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ConnectionError("tls", `TLS failed: ${reason}`, { cause: error });
}

/** Alert descriptions (RFC 8446 §6) by what the runtime's text has in it; the first that fits is taken. */
const ALERTS: readonly (readonly [RegExp, number])[] = [
  [/wrong.version.number/i, 10], // unexpected_message: octets that are no TLS
  [/support any known protocol/, 120], // no_application_protocol, RFC 7301 §3.2
  // TLS 1.1 and before have no signature_algorithms, and that is what is missed first.
  [/SignatureAlgorithmsExtensionRequired|Tls1[23]|version/i, 70], // protocol_version
  [/incompatible|in ?common/i, 40], // handshake_failure
  [/corrupt|invalid|unexpected|illegal|decode/i, 10], // unexpected_message
];

/**
 * Tells the peer why the handshake failed, which `node:tls` does not do over a stream. Only for failures before our
 * first octet: alerts are plaintext until then.
 */
async function sendAlert(plain: Transport, error: unknown): Promise<void> {
  if (error instanceof ConnectionError) return;
  const text = error instanceof Error ? error.message : "";
  const description = ALERTS.find(([pattern]) => pattern.test(text))?.[1];
  if (description === undefined) return;
  try {
    await plain.write(Uint8Array.of(21, 3, 3, 0, 2, 2, description)); // alert record, version 3.3, fatal
  } catch {
    // The peer is gone, so nobody is there to be told.
  }
}
