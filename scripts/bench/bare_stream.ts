import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";

/** A `Deno.Conn` as the stream that `node:tls` wants below it. */
export class BareStream extends Duplex {
  readonly #below: Deno.Conn;
  readonly #buffer = new Uint8Array(2048);

  constructor(below: Deno.Conn) {
    super();
    this.#below = below;
    this.on("error", () => {});
  }

  override _read(): void {
    this.#below.read(this.#buffer).then(
      (count) => this.push(count === null ? null : Buffer.from(this.#buffer.subarray(0, count))),
      (error) => this.destroy(error),
    );
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#below.write(chunk).then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.#below.closeWrite().then(() => done(), () => done());
  }
}
