import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { ConnectionError, type Transport } from "../ports/transport.ts";
import { ByteStreamDuplex } from "./byte_stream_duplex.ts";
import { connectionLost, isReset, silent, tlsError } from "./connection_errors.ts";
import { DEAD_HANDLES } from "./dead_handles.ts";
import { alertFor } from "./tls_alerts.ts";
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
    const lost = () => reject(connectionLost("finish the TLS handshake"));
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
      DEAD_HANDLES.count();
      received.fail(() => connectionLost("read"));
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

/** Tells the peer why the handshake failed, which `node:tls` does not do over a stream. */
async function sendAlert(plain: Transport, error: unknown): Promise<void> {
  const alert = error instanceof ConnectionError ? null : alertFor(error);
  if (alert === null) return;
  try {
    await plain.write(alert);
  } catch {
    // The peer is gone, so nobody is there to be told.
  }
}
