/**
 * One end of a connection that a dialogue plays: exact octets in and out, every wait with a deadline.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import * as net from "node:net";
import * as tls from "node:tls";

/** Longer than any wait of a dialogue, shorter than anybody's patience. */
const DEADLINE_MS = 10_000;

/** A dialogue went another way than written. */
export class DialogueFailure extends Error {
  override readonly name = "DialogueFailure";
}

/** What a TLS handshake agreed on. */
export interface HandshakeFacts {
  readonly protocol: string;
  readonly cipher: string;
}

/** A connection with what arrived on it and was not yet asked for. */
export class Wire {
  #socket: net.Socket;
  #inbox = "";
  /** Null while the peer may still send; else how that ended. */
  #ending: string | null = null;
  #wake: (() => void) | null = null;
  #listeners: (() => void) | null = null;
  readonly #plain: net.Socket;
  readonly #record: (line: string) => void;

  constructor(socket: net.Socket, record: (line: string) => void) {
    this.#socket = socket;
    this.#plain = socket;
    this.#record = record;
    socket.setNoDelay(true);
    this.#listen();
  }

  /** Connects to a TCP address or a Unix socket. */
  static async connect(
    to: { readonly host: string; readonly port: number } | { readonly path: string },
    record: (line: string) => void,
  ): Promise<Wire> {
    const socket = net.connect({ ...to, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Wire(socket, record);
  }

  /** What arrived and was not asked for. */
  get unread(): string {
    return this.#inbox;
  }

  /** Local port of the connection; 0 for Unix sockets. */
  get localPort(): number {
    return this.#plain.localPort ?? 0;
  }

  /** Writes byte strings, each as a segment of its own as far as the kernel allows. */
  async send(segments: readonly string[]): Promise<void> {
    for (const segment of segments) {
      this.#record(`-> ${JSON.stringify(segment)}`);
      await new Promise<void>((resolve) =>
        this.#socket.write(Buffer.from(segment, "latin1"), () => resolve())
      );
    }
  }

  /** Waits for exactly these octets. */
  async expect(octets: string): Promise<void> {
    await this.#until(
      () => this.#inbox.length >= octets.length || !octets.startsWith(this.#inbox),
      JSON.stringify(octets),
    );
    if (!this.#inbox.startsWith(octets)) this.#fail(JSON.stringify(octets));
    this.#take(octets.length);
  }

  /** Waits for one line that the pattern describes and answers its named groups. */
  async match(pattern: RegExp): Promise<Record<string, string>> {
    await this.#until(() => this.#inbox.includes("\r\n"), `${pattern}`);
    const end = this.#inbox.indexOf("\r\n");
    const found = pattern.exec(this.#inbox.slice(0, end)) ?? this.#fail(`${pattern}`);
    this.#take(end + 2);
    return { ...found.groups };
  }

  /** Waits until `mark` has arrived and answers all up to it and with it. */
  async through(mark: string): Promise<string> {
    await this.#until(() => this.#inbox.includes(mark), `octets up to ${JSON.stringify(mark)}`);
    return this.#take(this.#inbox.indexOf(mark) + mark.length);
  }

  /** Waits for the end of what the peer sends; nothing may come before it. */
  async end(): Promise<void> {
    await this.#until(() => this.#inbox.length > 0 || this.#ending !== null, "the end of the connection");
    if (this.#inbox.length > 0) this.#fail("the end of the connection");
    this.#record("<- end");
  }

  /** Runs a TLS handshake as client. @throws {DialogueFailure} when it fails. */
  async startTls(options: tls.ConnectionOptions): Promise<HandshakeFacts> {
    if (this.#inbox.length > 0) this.#fail("nothing before the TLS handshake");
    this.#listeners?.();
    this.#plain.on("error", () => {}); // told by the TLS socket as well
    this.#plain.pause();
    const secured = tls.connect({ ...options, socket: this.#plain });
    this.#socket = secured;
    let agreed = false;
    secured.once("secureConnect", () => {
      agreed = true;
      this.#wake?.();
    });
    this.#listen();
    await this.#until(() => agreed, "a TLS handshake");
    const protocol = secured.getProtocol() ?? "";
    const cipher = secured.getCipher().name;
    this.#record(`-- ${protocol} ${cipher}`);
    return { protocol, cipher };
  }

  /** Ends our direction only. */
  halfClose(): void {
    this.#record("-> end of our direction");
    this.#socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.#record("-> reset");
    this.#plain.resetAndDestroy();
  }

  /** Ends the connection and waits until the socket is released. */
  async close(): Promise<void> {
    for (const socket of new Set([this.#socket, this.#plain])) {
      if (socket.closed) continue;
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.end();
      socket.destroy();
      await closed;
    }
  }

  #listen(): void {
    const socket = this.#socket;
    const data = (chunk: Buffer) => {
      this.#inbox += chunk.toString("latin1");
      this.#record(`<- ${JSON.stringify(chunk.toString("latin1"))}`);
      this.#wake?.();
    };
    const ended = (how: string) => {
      this.#ending ??= how;
      this.#wake?.();
    };
    socket.on("data", data);
    socket.on("end", () => ended("end"));
    socket.on("close", () => ended("closed"));
    socket.on("error", (error: NodeJS.ErrnoException) => ended(error.code ?? error.message));
    this.#listeners = () => {
      socket.removeListener("data", data);
      socket.removeAllListeners("end");
      socket.removeAllListeners("close");
      socket.removeAllListeners("error");
    };
  }

  async #until(reached: () => boolean, expected: string): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake?.();
    }, DEADLINE_MS);
    try {
      while (!reached()) {
        if (this.#ending !== null) this.#fail(expected);
        if (late) this.#fail(`${expected} within ${DEADLINE_MS} ms`);
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearTimeout(timer);
      this.#wake = null;
    }
  }

  #take(octets: number): string {
    const taken = this.#inbox.slice(0, octets);
    this.#inbox = this.#inbox.slice(octets);
    return taken;
  }

  #fail(expected: string): never {
    const came = [JSON.stringify(this.#inbox), this.#ending === null ? "" : `then ${this.#ending}`];
    throw new DialogueFailure(`expected ${expected}, got ${came.join(" ").trim()}`);
  }
}
