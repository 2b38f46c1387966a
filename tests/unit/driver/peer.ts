/**
 * The far ends of connections, as the tests of the driver play them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { ConnectionError, type TlsFacts, type Transport } from "../../../src/ports/transport.ts";
import { inMemoryPair, type InMemoryTransport, type PairOptions } from "../../support/in_memory_transport.ts";
import { within } from "../../support/patience.ts";

/** A person at the other end of a connection. */
export class Peer {
  readonly transport: InMemoryTransport;
  #heard = "";

  constructor(transport: InMemoryTransport) {
    this.transport = transport;
  }

  async send(text: string): Promise<void> {
    await within(this.transport.write(encodeLatin1(text)), () => `nobody takes ${JSON.stringify(text)}`);
  }

  /** Reads exactly `text`. */
  async expect(text: string): Promise<void> {
    while (this.#heard.length < text.length && text.startsWith(this.#heard) && await this.#listen()) {
      // One read more.
    }
    assert.equal(this.#heard.slice(0, text.length), text);
    this.#heard = this.#heard.slice(text.length);
  }

  /** Reads to the end of the stream and answers what was not expected before. */
  async rest(): Promise<string> {
    while (await this.#listen()) {
      // Until the end.
    }
    const rest = this.#heard;
    this.#heard = "";
    return rest;
  }

  /** Reads to the end, where nothing may come any more. */
  async expectEnd(): Promise<void> {
    assert.equal(await this.rest(), "");
  }

  async #listen(): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    const heard = JSON.stringify(this.#heard.slice(-200));
    const count = await within(this.transport.read(buffer), () => `silence after ${heard}`, { ms: 5_000 });
    if (count !== null) this.#heard += decodeLatin1(buffer, 0, count);
    return count !== null;
  }
}

/** A connection: our end, and the peer at the other. */
export function connection(options: PairOptions = {}): { near: InMemoryTransport; peer: Peer } {
  const [far, near] = inMemoryPair(options);
  return { near, peer: new Peer(far) };
}

/** A transport that says other things of itself; what is sent over it goes through `inner`. */
export class Disguised implements Transport {
  readonly #inner: Transport;
  readonly local: Transport["local"];
  readonly remote: Transport["remote"];
  readonly tls: TlsFacts | null;
  readonly end?: (bytes: Uint8Array) => Promise<void>;

  constructor(inner: Transport, facts: Partial<Pick<Transport, "local" | "remote" | "tls" | "end">>) {
    this.#inner = inner;
    this.local = facts.local ?? inner.local;
    this.remote = facts.remote ?? inner.remote;
    this.tls = facts.tls ?? inner.tls;
    if (facts.end !== undefined) this.end = facts.end;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#inner.read(into);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#inner.close();
  }
}

/** Facts of a handshake, as far as a test does not say otherwise. */
export function tlsFacts(facts: Partial<TlsFacts> = {}): TlsFacts {
  return {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_128_GCM_SHA256",
    serverName: null,
    alpn: null,
    resumed: false,
    peer: null,
    verdict: { kind: "none" },
    ...facts,
  };
}

/** What a handshake of the tests looks like on the wire. */
export const CLIENT_HELLO = "ClientHello;";
export const SERVER_HELLO = "ServerHello;";

/**
 * Our side of a handshake as server: reads the hello octet by octet, so that nothing behind it is taken. With `ends` the
 * connection says its end with its last word.
 */
export async function acceptHandshake(plain: Transport, facts: TlsFacts, ends = false): Promise<Transport> {
  const octet = new Uint8Array(1);
  for (const [at, expected] of [...CLIENT_HELLO].entries()) {
    const count = await plain.read(octet).catch(() => null);
    if (count === null && at === 0) {
      plain.close();
      throw new ConnectionError("silent", "the client closed the connection before the TLS handshake");
    }
    if (count === null || String.fromCharCode(octet[0]!) !== expected) {
      plain.close();
      throw new ConnectionError("tls", "TLS failed: no hello of a client");
    }
  }
  await plain.write(encodeLatin1(SERVER_HELLO));
  const end = (bytes: Uint8Array) => plain.write(bytes).then(() => plain.close());
  return new Disguised(plain, { tls: facts, ...(ends && { end }) });
}

/** Our side of a handshake as client. */
export async function connectHandshake(plain: Transport, facts: TlsFacts): Promise<Transport> {
  await plain.write(encodeLatin1(CLIENT_HELLO));
  const octet = new Uint8Array(1);
  for (const expected of SERVER_HELLO) {
    const count = await plain.read(octet);
    if (count === null || String.fromCharCode(octet[0]!) !== expected) {
      plain.close();
      throw new ConnectionError("tls", "TLS failed: no hello of a server");
    }
  }
  return new Disguised(plain, { tls: facts });
}
