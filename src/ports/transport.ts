/**
 * Byte streams between Postern and a peer, as the driver sees them.
 *
 * The only implementations over sockets live in `src/io/`; `tests/support/` has one in memory.
 *
 * @module
 */

/** A socket address in the form the configuration and the logs use. */
export type SocketAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** What is known of a certificate that the peer presented in the TLS handshake. */
export interface PeerCertificate {
  /** Subject as an RFC 2253 string (most specific RDN first), e.g. `CN=mx.test,O=Lab\, Inc`. */
  readonly subject: string;
  /** Issuer as an RFC 2253 string. */
  readonly issuer: string;
  /** Serial number, upper-case hexadecimal without separators. */
  readonly serial: string;
  /** SHA-1 of the DER form, 40 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Common name of the subject, or null. */
  readonly commonName: string | null;
  /** The certificate in PEM, `\n` line ends, one line end after the last line. */
  readonly pem: string;
}

/** Outcome of judging the client's certificate (nginx `ssl_verify_client`). */
export type CertificateVerdict =
  | { readonly kind: "none" }
  | { readonly kind: "success" }
  /** `untrustedIssuer` is the class of failures that `optional_no_ca` forgives. */
  | { readonly kind: "failed"; readonly reason: string; readonly untrustedIssuer: boolean };

/** Facts of a finished TLS handshake. */
export interface TlsFacts {
  /** As OpenSSL names it: `TLSv1.2`, `TLSv1.3`. */
  readonly protocol: string;
  /** As OpenSSL names it: `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES128-GCM-SHA256`. */
  readonly cipher: string;
  /** Server name indication the client sent, or null. */
  readonly serverName: string | null;
  /** Application protocol agreed by ALPN, or null. */
  readonly alpn: string | null;
  readonly resumed: boolean;
  /** The peer's certificate, or null. */
  readonly peer: PeerCertificate | null;
  readonly verdict: CertificateVerdict;
}

/**
 * One connection, plain or over TLS. Not safe for two reads at a time, nor for two writes at a time; a read and
 * a write may overlap. `close()` may be called at any time and ends both.
 */
export interface Transport {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Null while the connection is plain. */
  readonly tls: TlsFacts | null;
  /**
   * Reads at least one octet into `into`, which has room for one; null at the end of the stream. The caller may reuse
   * `into` once the promise is settled.
   * @throws {ConnectionError} when the connection is lost or was closed on our side.
   */
  read(into: Uint8Array): Promise<number | null>;
  /**
   * Writes all of `bytes`. Settles when the operating system (or the TLS layer) has taken them; the caller must
   * not change `bytes` before.
   * @throws {ConnectionError} when the connection is lost or was closed on our side.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** For {@linkcode readFor}. There is one place for a reader: that of a read which is under way is lost. */
  readFor?(into: Uint8Array, reader: Reader): Promise<number | null>;
  /** For {@linkcode writeFor}; one place, too. */
  writeFor?(bytes: Uint8Array, writer: Writer): Promise<void>;
  /** Ends our direction (FIN, or close_notify and FIN); reading goes on. Never throws, idempotent. */
  closeWrite(): Promise<void>;
  /**
   * Does {@linkcode write} and {@linkcode close} in one, where that is cheaper: close_notify goes out with `bytes` (RFC
   * 8446 §6.1). For a peer that has said that nothing follows: what it sends all the same is not read.
   * @throws {ConnectionError} when the connection is lost or was closed on our side.
   */
  end?(bytes: Uint8Array): Promise<void>;
  /** Ends both directions at once and releases the socket. Never throws, idempotent. */
  close(): void;
}

/** What is done at once with what a read gives: one of the two is called, once, however it ends. */
export interface Reader {
  /** The read has given `count` octets, null at the end of the stream. What is returned is what it gives. */
  heard(count: number | null): number | null | Promise<number | null>;
  /** The connection is lost, or was closed on our side. What is returned is what the read gives. */
  lost(error: ConnectionError): number | null;
}

/** What is done at once when a write has ended: one of the two is called, once, however it ends. */
export interface Writer {
  /** All is written. Who awaits the write awaits what is returned, too. */
  written(): Promise<void> | undefined;
  /**
   * It is not: the connection is lost, or was closed on our side. Who awaits the write hears what is thrown; where nothing
   * is, it settles as if all were well.
   */
  notWritten(error: ConnectionError): void;
}

/**
 * `transport.read(into)` with `reader` as the first to hear what it gives. What is layered upon each other makes one
 * promise so, where there is a `readFor`, instead of one for each layer; a session has dozens of reads and writes.
 */
export function readFor(transport: Transport, into: Uint8Array, reader: Reader): Promise<number | null> {
  return transport.readFor?.(into, reader) ??
    transport.read(into).then((count) => reader.heard(count), (error) => reader.lost(error));
}

/** `transport.write(bytes)` with `writer` as the first to hear how it ended; see {@linkcode readFor}. */
export function writeFor(transport: Transport, bytes: Uint8Array, writer: Writer): Promise<void> {
  return transport.writeFor?.(bytes, writer) ??
    transport.write(bytes).then(() => writer.written(), (error) => writer.notWritten(error));
}

/** Stable codes of {@linkcode ConnectionError}. */
export type ConnectionErrorCode =
  | "closed" // we closed it
  | "reset" // the peer or the network ended it
  | "silent" // the peer ended it and had not sent anything
  | "refused" // nothing listens there
  | "unreachable" // no route, host down
  | "not_found" // the name does not resolve
  | "timeout"
  | "tls" // handshake or record failure
  | "certificate" // the peer's certificate was not acceptable
  | "other";

/**
 * `Error` without a stack. A lost connection is no mistake of ours, so nobody reads its stack, and there is one at
 * the end of most sessions: to capture it would cost a hundred times what the rest of the error does.
 */
function StacklessError(this: Error, message: string, options?: ErrorOptions): void {
  this.message = message;
  if (options !== undefined) this.cause = options.cause;
}
StacklessError.prototype = Object.create(Error.prototype);

/** An operation on a connection failed for a reason outside Postern's code. */
export class ConnectionError extends (StacklessError as unknown as ErrorConstructor) {
  override readonly name = "ConnectionError";
  readonly code: ConnectionErrorCode;
  constructor(code: ConnectionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A listening socket. */
export interface Listener {
  readonly address: SocketAddress;
  /**
   * The next connection; null after `close()`. Errors of single connections and exhausted file descriptors are
   * retried inside, never thrown.
   */
  accept(): Promise<Transport | null>;
  /** Stops accepting. Idempotent. */
  close(): void;
}

/** Turns an accepted plain connection into the server side of a TLS connection. */
export interface TlsAcceptor {
  /**
   * Runs the handshake. The plain transport belongs to the returned one afterwards; closing the plain one while
   * the handshake runs aborts it. Octets read from `plain` before the call are not part of the handshake.
   * @throws {ConnectionError} with code `tls`, `reset`, `silent` or `closed`; other errors at once, or as a rejection.
   */
  accept(plain: Transport): Promise<Transport>;
  /** Whether one of its certificates is for `serverName`; for any other name the first one is presented. */
  knows(serverName: string): boolean;
}

/** How TLS towards a mail server is to be done (`proxy_ssl_*`). */
export interface UpstreamTlsOptions {
  /** Name for SNI and for the check of the certificate. */
  readonly serverName: string;
  /** Whether the certificate is verified. */
  readonly verify: boolean;
  /** PEM of the authorities to trust instead of the system's, or null. */
  readonly trustedCertificates: string | null;
  /** PEM of our own certificate chain and key, or null. */
  readonly certificate: string | null;
  readonly certificateKey: string | null;
}

/** Opens connections to mail servers and services. */
export interface Connector {
  /**
   * Connects. Host names are resolved here, every address is tried.
   * @throws {ConnectionError}
   */
  connect(target: SocketAddress, signal: AbortSignal): Promise<Transport>;
  /**
   * Upgrades a connection to the client side of TLS. On failure the connection is closed.
   * @throws {ConnectionError} with code `tls`, `certificate`, `reset` or `closed`.
   */
  startTls(plain: Transport, options: UpstreamTlsOptions): Promise<Transport>;
}

/** A connector that knows where a host name leads. */
export interface Dialer extends Connector {
  /**
   * The addresses of a host name, in the order in which they are to be tried, with the port of `target`; an address
   * and a Unix socket stand for themselves.
   * @throws {ConnectionError}
   */
  resolve(target: SocketAddress, signal: AbortSignal): Promise<readonly SocketAddress[]>;
}
