/**
 * A floor for plain sessions, like `floor.ts`, over the handles that `node:net` is made of: octets come by callback, a
 * write is tried at once, addresses are not asked for. Deno gives them away by `process.binding()`, as Node.js does.
 * What they would save is why they are here; what they lack is why Postern is not built on them: the errors of
 * accept(2) are not told, and each read has a new buffer of 64 KB.
 *
 * @module
 */
import process from "node:process";
import { type FloorSocket, servePlainFloor } from "./floor_dialogue.ts";

/** What is used of a handle. */
interface Native {
  onread: (octets: ArrayBuffer | undefined) => void;
  onconnection: () => void;
  bind(host: string, port: number): number;
  listen(backlog: number): number;
  accept(into: Native): number;
  connect(request: object, host: string, port: number): number;
  getsockname(into: { port?: number }): number;
  setNoDelay(on: boolean): number;
  readStart(): number;
  writeBuffer(request: object, octets: Uint8Array): number;
  close(): void;
}

interface Bindings {
  readonly TCP: new (kind: number) => Native;
  readonly TCPConnectWrap: new () => { oncomplete: (status: number) => void };
}

const binding = (process as unknown as { binding(name: string): unknown }).binding;
const { TCP, TCPConnectWrap } = binding("tcp_wrap") as Bindings;
const { WriteWrap, streamBaseState } = binding("stream_wrap") as {
  readonly WriteWrap: new () => object;
  readonly streamBaseState: Int32Array;
};
const SOCKET = 0;
const SERVER = 1;

/** A connection. */
export class Handle implements FloorSocket {
  readonly #native: Native;

  constructor(native: Native) {
    this.#native = native;
    native.setNoDelay(true);
  }

  listen(receive: (octets: Uint8Array | null) => void): void {
    this.#native.onread = (octets) => {
      const count = streamBaseState[0]!;
      if (octets !== undefined && count > 0) receive(new Uint8Array(octets, 0, count));
      else if (count < 0) receive(null);
    };
    this.#native.readStart();
  }

  send(octets: Uint8Array): void {
    this.#native.writeBuffer(new WriteWrap(), octets);
  }

  close(): void {
    this.#native.onread = () => {};
    this.#native.close();
  }
}

/** Listens on loopback; the port. */
export function listenHandles(port: number, serve: (handle: Handle) => void): number {
  const server = new TCP(SERVER);
  server.bind("127.0.0.1", port);
  server.onconnection = () => {
    const client = new TCP(SOCKET);
    if (server.accept(client) === 0) serve(new Handle(client));
  };
  server.listen(511);
  const name: { port?: number } = {};
  server.getsockname(name);
  return name.port ?? 0;
}

function connect(port: number, connected: (handle: Handle) => void): void {
  const native = new TCP(SOCKET);
  const request = new TCPConnectWrap();
  request.oncomplete = () => connected(new Handle(native));
  native.connect(request, "127.0.0.1", port);
}

if (import.meta.main) {
  const [plainPort, , auth, sink] = Deno.args.map(Number) as [number, number, number, number];
  listenHandles(plainPort, (client) => servePlainFloor(client, connect, { auth, sink }));
}
