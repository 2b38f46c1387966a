import {
  ConnectionError,
  type Reader,
  type SocketAddress,
  type TlsFacts,
  type Transport,
  type Writer,
} from "../../src/ports/transport.ts";

/** What a pair of {@linkcode InMemoryTransport} is like. */
export interface PairOptions {
  /** Largest number of octets one read gives; 1 splits everything. Default: no limit. */
  readonly segment?: number;
  /** Octets that fit between the ends before a write has to wait. */
  readonly capacity?: number;
  readonly tls?: TlsFacts;
}

/** One direction between two ends. */
class Pipe {
  readonly #chunks: Uint8Array[] = [];
  readonly #segment: number;
  readonly #capacity: number;
  #size = 0;
  #state: "open" | "ended" | "cut" = "open";
  #held = false;
  #changed = Promise.withResolvers<void>();

  constructor(options: PairOptions) {
    this.#segment = options.segment ?? Infinity;
    this.#capacity = options.capacity ?? 65_536;
  }

  async read(into: Uint8Array, isClosed: () => boolean): Promise<number | null> {
    for (;;) {
      if (isClosed()) throw new ConnectionError("closed", "The connection was closed on this side");
      if (this.#state === "cut") throw new ConnectionError("reset", "The connection was cut");
      const chunk = this.#held ? undefined : this.#chunks[0];
      if (chunk !== undefined) return this.#take(chunk, into);
      if (this.#state === "ended" && !this.#held) return null;
      await this.#changed.promise;
    }
  }

  async write(octets: Uint8Array, isClosed: () => boolean): Promise<void> {
    for (;;) {
      if (isClosed() || this.#state === "ended") {
        throw new ConnectionError("closed", "This direction has ended");
      }
      if (this.#state === "cut") throw new ConnectionError("reset", "The connection was cut");
      if (this.#size < this.#capacity) break;
      await this.#changed.promise;
    }
    if (octets.length === 0) return;
    this.#chunks.push(octets.slice());
    this.#size += octets.length;
    this.changed();
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.changed();
  }

  cut(): void {
    this.#state = "cut";
    this.changed();
  }

  hold(held: boolean): void {
    this.#held = held;
    this.changed();
  }

  /** Wakes whoever waits, to look again. */
  changed(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #take(chunk: Uint8Array, into: Uint8Array): number {
    const count = Math.min(chunk.length, into.length, this.#segment);
    into.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#size -= count;
    this.changed();
    return count;
  }
}

/** One end of a connection that lives in memory; see {@linkcode inMemoryPair}. */
export class InMemoryTransport implements Transport {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls: TlsFacts | null;
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  #closed = false;
  #reader: Reader | null = null;
  #writer: Writer | null = null;

  constructor(
    addresses: { readonly local: SocketAddress; readonly remote: SocketAddress },
    pipes: { readonly incoming: Pipe; readonly outgoing: Pipe },
    tls: TlsFacts | null,
  ) {
    this.local = addresses.local;
    this.remote = addresses.remote;
    this.#incoming = pipes.incoming;
    this.#outgoing = pipes.outgoing;
    this.tls = tls;
  }

  /** Whether `close()` was called on this end. */
  get closed(): boolean {
    return this.#closed;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#incoming.read(into, () => this.#closed);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#outgoing.write(bytes, () => this.#closed);
  }

  readFor(into: Uint8Array, reader: Reader): Promise<number | null> {
    this.#reader = reader;
    return this.read(into).then((count) => this.#reader!.heard(count), (error) => this.#reader!.lost(error));
  }

  writeFor(bytes: Uint8Array, writer: Writer): Promise<void> {
    this.#writer = writer;
    return this.write(bytes).then(() => this.#writer!.written(), (error) => this.#writer!.notWritten(error));
  }

  closeWrite(): Promise<void> {
    this.#outgoing.end();
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outgoing.end();
    this.#incoming.changed();
    this.#outgoing.changed();
  }

  /** Breaks the connection for both ends, as a reset does; octets on the way are lost. */
  cut(): void {
    this.#incoming.cut();
    this.#outgoing.cut();
  }

  /** While held, what this end wrote (its end of stream, too) does not arrive. */
  hold(held: boolean): void {
    this.#outgoing.hold(held);
  }
}

/** Makes two ends that are connected to each other. */
export function inMemoryPair(options: PairOptions = {}): readonly [InMemoryTransport, InMemoryTransport] {
  const near: SocketAddress = { kind: "tcp", host: "192.0.2.1", port: 40_000 };
  const far: SocketAddress = { kind: "tcp", host: "192.0.2.2", port: 25 };
  const there = new Pipe(options);
  const back = new Pipe(options);
  const tls = options.tls ?? null;
  return [
    new InMemoryTransport({ local: near, remote: far }, { incoming: back, outgoing: there }, tls),
    new InMemoryTransport({ local: far, remote: near }, { incoming: there, outgoing: back }, tls),
  ];
}
