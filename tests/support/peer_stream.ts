/**
 * Octet streams for the scripted peers. Written apart from `src/io`, so that a fault there cannot hide here.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { PATIENCE_MS } from "./patience.ts";

/** One connection as a scripted peer sees it. */
export interface PeerStream {
  /** The next octets, or null at the end of the stream; rejects when the connection is reset. */
  read(): Promise<Uint8Array | null>;
  write(octets: Uint8Array): Promise<void>;
  /** Ends our direction; reading goes on. */
  closeWrite(): Promise<void>;
  /** Ends both directions and waits until all is released. Never rejects, idempotent. */
  close(): Promise<void>;
}

/** A plain connection, or one over Deno's own TLS. */
export class ConnStream implements PeerStream {
  readonly conn: Deno.Conn;
  readonly #buffer = new Uint8Array(65_536);
  #unread: Uint8Array | null = null;

  constructor(conn: Deno.Conn) {
    this.conn = conn;
  }

  /** Gives octets back, for the next read. */
  unread(octets: Uint8Array): void {
    if (octets.length > 0) this.#unread = octets;
  }

  async read(): Promise<Uint8Array | null> {
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) return unread;
    const count = await this.conn.read(this.#buffer);
    return count === null ? null : this.#buffer.slice(0, count);
  }

  async write(octets: Uint8Array): Promise<void> {
    for (let done = 0; done < octets.length;) done += await this.conn.write(octets.subarray(done));
  }

  closeWrite(): Promise<void> {
    return this.conn.closeWrite();
  }

  close(): Promise<void> {
    try {
      this.conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before
    }
    return Promise.resolve();
  }
}

/** What TLS is to be like; PEM texts. */
export interface PeerTlsOptions {
  readonly certificate?: string;
  readonly key?: string;
  /** Authorities to trust; without them the other side is not verified. */
  readonly authorities?: string;
  /** For SNI and verification, on the client's side. */
  readonly serverName?: string;
  /** On the server's side: ask the client for a certificate. */
  readonly requestCertificate?: boolean;
  readonly alpn?: readonly string[];
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
}

/**
 * A connection over TLS of `node:tls`. It has no back-pressure: it reads what comes and takes what is written. Where
 * a test needs that, it has Deno's own TLS over a {@linkcode ConnStream}.
 */
export class TlsStream implements PeerStream {
  readonly socket: tls.TLSSocket;
  readonly #plain: ConnStream;
  readonly #chunks: AsyncIterator<Buffer>;

  private constructor(socket: tls.TLSSocket, plain: ConnStream) {
    this.socket = socket;
    this.#plain = plain;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  /** Runs the server side of a handshake. */
  static accept(plain: ConnStream, options: PeerTlsOptions): Promise<TlsStream> {
    const duplex = duplexOf(plain);
    const socket = new tls.TLSSocket(duplex, {
      isServer: true,
      secureContext: tls.createSecureContext(contextOptions(options)),
      requestCert: options.requestCertificate ?? false,
      rejectUnauthorized: false,
      ...(options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] }),
    });
    return TlsStream.#shaken(socket, { plain, duplex, event: "secure" });
  }

  /** Runs the client side of a handshake. */
  static connect(plain: ConnStream, options: PeerTlsOptions): Promise<TlsStream> {
    const duplex = duplexOf(plain);
    const socket = tls.connect({
      socket: duplex,
      ...contextOptions(options),
      rejectUnauthorized: options.authorities !== undefined,
      ...(options.serverName === undefined ? {} : { servername: options.serverName }),
      ...(options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] }),
    });
    return TlsStream.#shaken(socket, { plain, duplex, event: "secureConnect" });
  }

  static async #shaken(
    socket: tls.TLSSocket,
    { plain, duplex, event }: { readonly plain: ConnStream; readonly duplex: Duplex; readonly event: string },
  ): Promise<TlsStream> {
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once(event, resolve);
        socket.once("error", reject);
        const ended = () => reject(new Error("The connection ended during the TLS handshake"));
        socket.once("close", ended);
        duplex.once("end", ended); // Deno's TLSSocket says nothing when the stream below ends too early
      });
    } catch (error) {
      await plain.close();
      throw error;
    }
    // An error reaches the pending read or write; without a listener it would end the process as well.
    socket.on("error", () => {});
    return new TlsStream(socket, plain);
  }

  async read(): Promise<Uint8Array | null> {
    const { value, done } = await this.#chunks.next();
    return done === true ? null : value;
  }

  write(octets: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(octets, (error) => error ? reject(error) : resolve());
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once("close", () => resolve()); // an error on the way ends the wait, too
      this.socket.end(() => resolve());
    });
  }

  async close(): Promise<void> {
    const closed = this.socket.closed
      ? Promise.resolve()
      : new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    this.socket.destroy();
    await this.#plain.close(); // first: a write that is stuck below would hold up the end of the socket
    await closed;
  }
}

function contextOptions(options: PeerTlsOptions): tls.SecureContextOptions {
  return {
    ...(options.certificate === undefined ? {} : { cert: options.certificate }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.authorities === undefined ? {} : { ca: options.authorities }),
    ...(options.minVersion === undefined ? {} : { minVersion: options.minVersion }),
    ...(options.maxVersion === undefined ? {} : { maxVersion: options.maxVersion }),
  };
}

function duplexOf(plain: ConnStream): Duplex {
  return new Duplex({
    read() {
      plain.read().then(
        (octets) => this.push(octets === null ? null : Buffer.from(octets.buffer, 0, octets.length)),
        (error) => this.destroy(error),
      );
    },
    write(chunk: Buffer, _encoding, done) {
      plain.write(chunk).then(() => done(), done);
    },
    final(done) {
      plain.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      plain.close().then(() => done(error), done);
    },
  });
}

/** Connects to a loopback port or Unix socket. */
export async function connectPlain(
  address: { readonly host?: string; readonly port: number } | { readonly path: string },
): Promise<ConnStream> {
  if ("path" in address) return new ConnStream(await Deno.connect({ transport: "unix", path: address.path }));
  const conn = await Deno.connect({
    hostname: address.host ?? "127.0.0.1",
    port: address.port,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  conn.setNoDelay(true); // segments of a test are to leave as they were written
  return new ConnStream(conn);
}
