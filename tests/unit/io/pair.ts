import assert from "node:assert/strict";
import type { ListenSettings } from "../../../src/config/settings.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { openListener } from "../../../src/io/listener.ts";
import type { SocketAddress, Transport } from "../../../src/ports/transport.ts";

/** Settings of a listener on `address`. */
export function on(address: SocketAddress): ListenSettings {
  return {
    address,
    text: JSON.stringify(address),
    ssl: false,
    proxy_protocol: false,
    backlog: 64,
    reuseport: false,
  };
}

/** Settings of a listener on a TCP address; port 0 by default. */
export function onTcp(host: string, port = 0): ListenSettings {
  return on({ kind: "tcp", host, port });
}

/** Both ends of a plain connection over loopback. */
export async function connectedPair(): Promise<{ client: Transport; server: Transport }> {
  const listener = await openListener(onTcp("127.0.0.1"), { reusePort: false });
  const client = await createDialer().connect(listener.address, new AbortController().signal);
  const server = await listener.accept();
  listener.close();
  return { client, server: server! };
}

/** All that comes until the end of the stream. */
export async function readToEnd(transport: Transport): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65536);
  for (let octets = await transport.read(buffer); octets !== null; octets = await transport.read(buffer)) {
    parts.push(buffer.slice(0, octets));
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** Reads until `into` is full; the stream must not end before. */
export async function readFull(transport: Transport, into: Uint8Array): Promise<void> {
  for (let octets = 0; octets < into.length;) {
    octets += await transport.read(into.subarray(octets)) ?? assert.fail("the stream has ended");
  }
}

/** Sends everything back, until the end. */
export async function echo(transport: Transport): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let octets = await transport.read(buffer); octets !== null; octets = await transport.read(buffer)) {
    await transport.write(buffer.subarray(0, octets));
  }
  await transport.closeWrite();
}

/** Octets that repeat nowhere near: a mixed-up order or a lost part shows. */
export function patternOctets(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 2463534242;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer).subarray(0, length);
}

/** Text of octets. */
export function text(octets: Uint8Array): string {
  return new TextDecoder().decode(octets);
}

/** Octets of text. */
export function octets(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
