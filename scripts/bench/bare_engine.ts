import { createPrivateKey } from "node:crypto";
import { createSecureContext } from "node:tls";
import {
  createEngineFactory,
  type EngineMaker,
  keyForContext,
  type TlsEngine,
} from "../../src/io/tls_engine.ts";
import type { BareSocket } from "./bare_socket.ts";

const SETTINGS = { requestCert: false, protocols: [] };
/** As Postern's: for commands, and for a reader that has room for more. */
const QUIET_OCTETS = 512;
const ROOMY_OCTETS = 2048;

/** The server side of TLS, with the runtime's engine over a socket, and as little around it as can be. */
export class BareEngine {
  readonly #below: BareSocket;
  readonly #engine: TlsEngine;
  readonly #clear: Uint8Array[] = [];
  #buffer = new Uint8Array(QUIET_OCTETS);
  #ended = false;

  private constructor(below: BareSocket, make: EngineMaker) {
    this.#below = below;
    this.#engine = make(this);
  }

  /** What makes them, with a certificate and its key (PEM). */
  static maker(cert: string, key: string): (below: BareSocket) => BareEngine {
    const context = createSecureContext({
      cert,
      key: keyForContext(createPrivateKey(key)),
      minVersion: "TLSv1.2",
    });
    const make = createEngineFactory(context)?.(context, SETTINGS);
    if (make === undefined) throw new Error("The runtime has no TLS engine");
    return (below) => new BareEngine(below, make);
  }

  received(clear: Uint8Array): void {
    this.#clear.push(clear);
  }

  ended(): void {
    this.#ended = true;
  }

  failed(): void {
    this.#ended = true;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (into.length >= ROOMY_OCTETS && this.#buffer.length < ROOMY_OCTETS) {
      this.#buffer = new Uint8Array(ROOMY_OCTETS);
    }
    while (this.#clear.length === 0) {
      if (this.#ended) return null;
      const count = await this.#below.read(this.#buffer);
      if (!count) return null;
      const octets = this.#engine.receive(this.#buffer.subarray(0, count), into);
      // What TLS 1.3 has to say when the handshake is done, goes out with what is written next.
      if (!this.#engine.established) await this.#flush();
      if (octets > 0) return octets;
    }
    const clear = this.#clear.shift()!;
    into.set(clear);
    return clear.length;
  }

  write(octets: Uint8Array): Promise<void> {
    this.#engine.send(octets);
    return this.#flush();
  }

  /** Says the last, and closes. */
  async part(octets: Uint8Array): Promise<void> {
    this.#engine.send(octets);
    this.#engine.end();
    await this.#flush();
    this.close();
  }

  close(): void {
    this.#below.close();
    this.#engine.release();
  }

  async #flush(): Promise<void> {
    const encrypted = this.#engine.takeEncrypted();
    if (encrypted !== null) await this.#below.write(encrypted);
  }
}
