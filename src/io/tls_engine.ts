/**
 * The runtime's TLS, without the streams around it.
 *
 * `node:tls` knows TLS over a stream only as a `TLSSocket` over a second stream over a third one, each with its own
 * buffers, listeners and turns of the event loop: three streams and twelve listeners for each connection. What does
 * the work is the socket's handle: octets go in, octets come out, and it does no input or output of its own. An engine
 * is such a handle. It is not part of the documented interface, so {@linkcode createEngineFactory} looks whether the
 * runtime has it as it is used here, and who finds that it has not takes the streams (`tls_handshake.ts`).
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import process from "node:process";
import { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { TlsFacts } from "../ports/transport.ts";
import { DEAD_HANDLES } from "./dead_handles.ts";

/** What of the runtime's handle is used. Methods return 0 where they can fail and did not. */
interface Handle {
  initServerTls(context: object): number;
  initClientTls(serverName: string, context: object): number;
  attachJsStream(): number;
  setHandle(handle: Handle): void;
  setAlpnProtocols(protocols: string[]): void;
  start(): number;
  readStart(): number;
  readBuffer(encrypted: Uint8Array): void;
  useUserBuffer(into: Uint8Array): void;
  emitEof(): void;
  drainEncOut(): ArrayBuffer | null | undefined;
  writeBuffer(request: object, clear: Uint8Array): number;
  shutdown(request: object): number;
  destroySsl(): void;
  close(): void;
  getCipher(into: { name?: string; version?: string }): number;
  getAlpnNegotiatedProtocol(into: { alpnProtocol?: string | false }): number;
  getServername(): string | null | undefined;
  isSessionReused(): boolean;
  getPeerCertificateChain(): { readonly certificates: readonly Uint8Array[] } | null;
  verifyError(): string;
  onhandshakestart: () => void;
  onhandshakedone: (this: Handle) => void;
  onerror: (this: Handle, error: Error) => void;
  /** Without octets: they are in the user's buffer, or there are no more. */
  onread: (this: Handle, clear: ArrayBuffer | undefined) => void;
  /** Ours: whose handle it is. */
  engine: TlsEngine;
}

/** For both roles. */
const METHODS = [
  "attachJsStream",
  "setHandle",
  "start",
  "readStart",
  "readBuffer",
  "useUserBuffer",
  "emitEof",
  "drainEncOut",
  "writeBuffer",
  "shutdown",
  "destroySsl",
  "close",
  "getCipher",
  "getAlpnNegotiatedProtocol",
  "getServername",
  "isSessionReused",
  "getPeerCertificateChain",
] as const satisfies readonly (keyof Handle)[];

/** For one of them. */
const METHODS_OF = {
  server: ["initServerTls", "setAlpnProtocols"],
  client: ["initClientTls", "verifyError"],
} as const satisfies Record<TlsRole, readonly (keyof Handle)[]>;

/** What the runtime says of the read that it tells of: how many octets are in the user's buffer, negative at the end. */
interface ReadState {
  readonly streamBaseState: { readonly [field: number]: number };
  readonly kReadBytesOrError: number;
}

/** Null where the runtime does not say it: then it gives what is decrypted in an array of its own. */
const READ_STATE = readState();

function readState(): ReadState | null {
  try {
    const { binding } = process as unknown as { binding(name: string): Partial<ReadState> };
    const { streamBaseState, kReadBytesOrError } = binding.call(process, "stream_wrap");
    if (streamBaseState === undefined || kReadBytesOrError === undefined) return null;
    return { streamBaseState, kReadBytesOrError };
  } catch {
    return null;
  }
}

/**
 * The user's buffer of every handle of the thread while nobody reads: what is decrypted then is copied at once. So no
 * handle ever holds a buffer whose owner has gone on.
 */
const NOBODYS = new Uint8Array(65_536);

const NOWHERE = new Uint8Array(0);

/**
 * The handle keeps room for the most that it was ever given at once, until V8 collects it, which may be thousands of
 * sessions later: so it gets no more than two records at a time.
 */
const PART_OCTETS = 32_768;

/** The handle's way to tell when a write is done, which here is when its octets have been taken. */
const REQUEST = {};

/** What a handle answers into. */
const ANSWERS: { version: string; name: string; alpnProtocol: string | false } = {
  version: "",
  name: "",
  alpnProtocol: false,
};

/** On which side of TLS an engine is. */
export type TlsRole = "server" | "client";

/** What is known of a client's certificate. */
export type CertificateFacts = Pick<TlsFacts, "peer" | "verdict">;

/** There is none. */
export const NO_CERTIFICATE: CertificateFacts = { peer: null, verdict: Object.freeze({ kind: "none" }) };

/** Names of protocols and ciphers, which are few, as every connection of the thread has them. */
const names = new Map<string, string>();

function oneCopy(name: string): string {
  const known = names.get(name);
  if (known === undefined) names.set(name, name);
  return known ?? name;
}

function nothing(): void {}

/** What an engine tells, always within a call of its own methods. */
export interface EngineEvents {
  /** Decrypted octets that had no room where the caller wanted them; they are the receiver's. */
  received(clear: Uint8Array): void;
  /** The peer has said that nothing follows (close_notify), or its stream has ended. */
  ended(): void;
  /** The engine can do no more than give the alert that it has made of this. */
  failed(error: Error): void;
}

/** One TLS connection. After {@linkcode release} nothing may be called but `release`. */
export class TlsEngine {
  readonly role: TlsRole;
  readonly #handle: Handle;
  readonly #events: EngineEvents;
  /** Where the caller of `receive` wants what is decrypted; null once something is there. */
  #into: Uint8Array | null = null;
  #placed = 0;
  /** Whether anything had no room there. */
  #told = false;
  #established = false;
  #failed = false;
  #released = false;

  /**
   * `init` gives the new handle what it is to work with, and says whether it can.
   * @throws {Error} when it cannot.
   */
  constructor(role: TlsRole, handle: Handle, init: (handle: Handle) => boolean, events: EngineEvents) {
    this.role = role;
    this.#handle = handle;
    this.#events = events;
    if (!init(handle) || handle.attachJsStream() !== 0) {
      throw new Error("Cannot start TLS: the runtime refuses the certificate, the name or the protocols");
    }
    handle.setHandle(handle);
    handle.engine = this;
    handle.onhandshakestart = nothing;
    handle.onhandshakedone = TlsEngine.#onHandshakeDone;
    handle.onerror = TlsEngine.#onError;
    handle.onread = TlsEngine.#onRead;
    if (READ_STATE !== null) handle.useUserBuffer(NOBODYS);
    if (handle.start() !== 0 || handle.readStart() !== 0) {
      throw new Error("Cannot start TLS: the runtime does not begin");
    }
  }

  // The handle's listeners are the same functions for all engines: each of its own would cost memory.

  static #onHandshakeDone(this: Handle): void {
    this.engine.#established = true;
  }

  static #onError(this: Handle, error: Error): void {
    this.engine.#fail(error);
  }

  static #onRead(this: Handle, clear: ArrayBuffer | undefined): void {
    const { engine } = this;
    if (clear !== undefined) return engine.#tell(new Uint8Array(clear));
    const octets = READ_STATE === null ? -1 : READ_STATE.streamBaseState[READ_STATE.kReadBytesOrError]!;
    if (octets < 0) engine.#events.ended();
    else if (octets === 0) engine.#fail(new Error("the runtime does not say how much it has read"));
    else if (engine.#into === null) engine.#tell(NOBODYS.slice(0, octets));
    else engine.#place(octets);
  }

  #fail(error: Error): void {
    this.#failed = true;
    this.#events.failed(error);
  }

  #tell(clear: Uint8Array): void {
    this.#told = true;
    this.#events.received(clear);
  }

  /** The caller's buffer has `octets`; more of them must not overwrite it. */
  #place(octets: number): void {
    this.#into = null;
    this.#placed = octets;
    this.#handle.useUserBuffer(NOBODYS);
  }

  /** Whether the handshake is done. */
  get established(): boolean {
    return this.#established;
  }

  /**
   * Takes what came from the peer; null at its end. Puts what it has decrypted into `into`, where the runtime can, and
   * says how many octets that are. What has no room there is told as received: it follows.
   */
  receive(encrypted: Uint8Array | null, into: Uint8Array): number {
    if (encrypted === null || encrypted.length <= PART_OCTETS) return this.#receivePart(encrypted, into);
    let placed = 0;
    for (let from = 0; from < encrypted.length && !this.#failed; from += PART_OCTETS) {
      placed += this.#receivePart(encrypted.subarray(from, from + PART_OCTETS), into.subarray(placed));
      // What had no room was told, and more of it may follow: nothing may be put before that.
      if (this.#told) into = NOWHERE;
    }
    return placed;
  }

  #receivePart(encrypted: Uint8Array | null, into: Uint8Array): number {
    const handle = this.#handle;
    const placing = READ_STATE !== null && into.length > 0;
    this.#placed = 0;
    this.#told = false;
    if (placing) {
      this.#into = into;
      handle.useUserBuffer(into);
    }
    try {
      if (encrypted === null) handle.emitEof();
      else handle.readBuffer(encrypted);
    } finally {
      if (placing && this.#into !== null) this.#place(0);
    }
    return this.#placed;
  }

  /** Encrypts `clear`, at most 48 KiB, all of which is taken; for {@linkcode takeEncrypted}. */
  send(clear: Uint8Array): boolean {
    return this.#handle.writeBuffer(REQUEST, clear) === 0;
  }

  /** Says that nothing follows (close_notify). */
  end(): void {
    this.#handle.shutdown(REQUEST);
  }

  /** What is to be sent to the peer now, or null. */
  takeEncrypted(): Uint8Array | null {
    const encrypted = this.#handle.drainEncOut();
    return encrypted == null || encrypted.byteLength === 0 ? null : new Uint8Array(encrypted);
  }

  /** What the handshake has agreed on; of a certificate of the peer's nothing. */
  facts(): TlsFacts {
    const handle = this.#handle;
    ANSWERS.version = ANSWERS.name = "";
    ANSWERS.alpnProtocol = false;
    handle.getCipher(ANSWERS);
    handle.getAlpnNegotiatedProtocol(ANSWERS);
    const { version: protocol, name: cipher, alpnProtocol } = ANSWERS;
    return {
      protocol: oneCopy(protocol),
      cipher: oneCopy(cipher),
      serverName: handle.getServername() || null,
      alpn: alpnProtocol || null,
      resumed: handle.isSessionReused(),
      peer: NO_CERTIFICATE.peer,
      verdict: NO_CERTIFICATE.verdict,
    };
  }

  /** What the peer sent, in DER, its own certificate first; empty when it sent none. */
  peerChain(): readonly Uint8Array[] {
    return this.#handle.getPeerCertificateChain()?.certificates ?? [];
  }

  /** What the runtime has against the server's chain of certificates, as OpenSSL names it; empty for nothing. */
  chainError(): string {
    return this.#handle.verifyError();
  }

  /** Gives the memory back. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#handle.destroySsl();
    this.#handle.close();
    DEAD_HANDLES.count();
  }
}

/** What engines are made with, beside a certificate. */
export interface EngineSettings {
  /** Whether the client is asked for a certificate; the handshake does not fail for want of a good one. */
  readonly requestCert: boolean;
  /** For ALPN (RFC 7301). */
  readonly protocols: readonly string[];
}

/** Makes an engine. */
export type EngineMaker = (events: EngineEvents) => TlsEngine;

/** Gives what makes engines with the certificate of a context. */
export type EngineFactory = (context: SecureContext, settings: EngineSettings) => EngineMaker;

/** Null when the runtime does not have what {@linkcode TlsEngine} needs. */
export function createEngineFactory(context: SecureContext): EngineFactory | null {
  const Maker = handleClass("server", context);
  if (Maker === null) return null;
  return ({ context }, { requestCert, protocols }) => {
    const settings = { ...(context as object), requestCert, rejectUnauthorized: false };
    const offered = [...protocols];
    const init = (handle: Handle) => {
      if (handle.initServerTls(settings) !== 0) return false;
      handle.setAlpnProtocols(offered);
      return true;
    };
    return (events) => new TlsEngine("server", new Maker(1, 0), init, events);
  };
}

/** Gives what makes engines that ask a server for `serverName`, or for no name; with the authorities of a context. */
export type ClientEngineFactory = (context: SecureContext, serverName: string | null) => EngineMaker;

/** Null when the runtime does not have what {@linkcode TlsEngine} needs. The handshake does not fail for a certificate. */
export function createClientEngineFactory(): ClientEngineFactory | null {
  const Maker = handleClass("client", createSecureContext());
  if (Maker === null) return null;
  return ({ context }, serverName) => {
    const settings = { ...(context as object), requestCert: true, rejectUnauthorized: false };
    const init = (handle: Handle) => handle.initClientTls(serverName ?? "", settings) === 0;
    return (events) => new TlsEngine("client", new Maker(0, 0), init, events);
  };
}

/** Curves of ECDSA that TLS has. */
const CURVES: readonly (string | undefined)[] = ["prime256v1", "secp384r1"];

/**
 * A key in PEM, for contexts. The runtime reads it again for every connection, and of one in PKCS #8 it does not know the
 * kind: it tries RSA first, which fails at length.
 */
export function keyForContext(key: KeyObject): string {
  const ecdsa = key.asymmetricKeyType === "ec" && CURVES.includes(key.asymmetricKeyDetails?.namedCurve);
  return key.export({ type: ecdsa ? "sec1" : "pkcs8", format: "pem" }) as string;
}

/** The class of the handles: a socket over a stream that leads nowhere has one. */
function handleClass(
  role: TlsRole,
  secureContext: SecureContext,
): (new (kind: 0 | 1, provider: 0) => Handle) | null {
  const nowhere = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const socket = new TLSSocket(nowhere as TLSSocket, { isServer: role === "server", secureContext });
  socket.on("error", () => {/* it is thrown away */});
  try {
    const { _handle: handle } = socket as { _handle?: Handle };
    if (handle == null) return null;
    const prototype = Object.getPrototypeOf(handle);
    const whole = [...METHODS, ...METHODS_OF[role]].every((name) => typeof prototype[name] === "function");
    return whole && typeof prototype.constructor === "function" ? prototype.constructor : null;
  } finally {
    socket.destroy();
    nowhere.destroy();
  }
}
