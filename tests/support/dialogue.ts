/**
 * A scripted conversation over a stream: sends exact octets, reads lines and replies, keeps the transcript. Every
 * wait is bounded and fails the test with the transcript.
 *
 * @module
 */
import assert from "node:assert/strict";
import { concatBytes, decodeLatin1, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { PATIENCE_MS, within } from "./patience.ts";
import type { PeerStream } from "./peer_stream.ts";

/** How the other side ended: in order, or by a reset. */
export type Ending = "end" | "reset";

/** Text is a byte string everywhere: one UTF-16 unit per octet. */
export class Dialogue {
  #stream: PeerStream;
  #pending: Uint8Array = new Uint8Array(0);
  #ended: Ending | null = null;
  readonly #transcript: string[] = [];

  constructor(stream: PeerStream) {
    this.#stream = stream;
  }

  /** The stream below; replaced by `replaceStream` when TLS begins. */
  get stream(): PeerStream {
    return this.#stream;
  }

  /** What was said so far, one line per segment: `>` sent, `<` received. */
  get transcript(): string {
    return this.#transcript.join("\n");
  }

  /** Octets that arrived and were not read by the script yet. */
  get unread(): string {
    return decodeLatin1(this.#pending);
  }

  /** How the other side ended, or null while it has not. */
  get ended(): Ending | null {
    return this.#ended;
  }

  /** Goes on over another stream, e.g. TLS; nothing that arrived may be left unread. */
  replaceStream(stream: PeerStream): void {
    assert.equal(this.unread, "", "octets arrived before TLS and were not read");
    this.#stream = stream;
    this.note("TLS");
  }

  note(text: string): void {
    this.#transcript.push(`- ${text}`);
  }

  /** Sends exactly these octets, in one write. */
  async send(octets: string | Uint8Array): Promise<void> {
    const bytes = typeof octets === "string" ? encodeLatin1(octets) : octets;
    this.#record(">", bytes);
    await this.#patiently(this.#stream.write(bytes), "sending");
  }

  /** Reads up to and including `mark`; throws when the stream ends before. */
  async readUntil(mark: string): Promise<string> {
    const wanted = encodeLatin1(mark);
    for (let from = 0;;) {
      const at = indexOf(this.#pending, wanted, from);
      if (at >= 0) return this.#take(at + wanted.length);
      from = Math.max(0, this.#pending.length - wanted.length + 1);
      await this.#more(`${JSON.stringify(mark)}`);
    }
  }

  /** Reads one line and drops its CRLF; a line that ends otherwise fails the test. */
  async readLine(): Promise<string> {
    const line = await this.readUntil("\n");
    assert.ok(line.endsWith("\r\n"), this.#explain(`line without CRLF: ${JSON.stringify(line)}`));
    return line.slice(0, -2);
  }

  /** Reads exactly `count` octets. */
  async readOctets(count: number): Promise<string> {
    while (this.#pending.length < count) await this.#more(`${count} octets`);
    return this.#take(count);
  }

  /** Waits without a bound until something is there to read; false when the other side ended instead. */
  async waitForOctets(): Promise<boolean> {
    if (this.#pending.length > 0) return true;
    if (this.#ended === null) this.#receive(await this.#readOrReset());
    return this.#pending.length > 0;
  }

  /** Reads until the other side ends, and answers what came and how it ended. */
  async readToEnd(): Promise<{ readonly text: string; readonly ending: Ending }> {
    while (this.#ended === null) await this.#fill("the end of the stream");
    return { text: this.#take(this.#pending.length), ending: this.#ended };
  }

  /** Fails unless the other side ends now, in order and without another octet. */
  async expectEnd(): Promise<void> {
    const { text, ending } = await this.readToEnd();
    assert.deepEqual({ text, ending }, { text: "", ending: "end" }, this.transcript);
  }

  /** Ends our direction. */
  async closeWrite(): Promise<void> {
    this.note("end of our direction");
    await this.#patiently(this.#stream.closeWrite(), "closing our direction");
  }

  /** Ends both directions. */
  async close(): Promise<void> {
    this.note("closed");
    await this.#stream.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Text for an assertion: what went wrong, and the transcript. */
  protected explain(problem: string): string {
    return this.#explain(problem);
  }

  #explain(problem: string): string {
    return `${problem}\n${this.transcript}`;
  }

  async #more(wanted: string): Promise<void> {
    await this.#fill(wanted);
    if (this.#ended !== null) throw new Error(this.#explain(`Expected ${wanted}, the stream ended`));
  }

  async #fill(wanted: string): Promise<void> {
    if (this.#ended !== null) return;
    this.#receive(await this.#patiently(this.#readOrReset(), `waiting for ${wanted}`));
  }

  #receive(octets: Uint8Array | null | "reset"): void {
    if (octets === "reset" || octets === null) {
      this.#ended = octets ?? "end";
      this.note(`other side: ${this.#ended}`);
      return;
    }
    this.#record("<", octets);
    this.#pending = this.#pending.length === 0 ? octets : concatBytes([this.#pending, octets]);
  }

  async #readOrReset(): Promise<Uint8Array | null | "reset"> {
    try {
      return await this.#stream.read();
    } catch (error) {
      this.note(String(error));
      return "reset";
    }
  }

  #take(count: number): string {
    const text = decodeLatin1(this.#pending, 0, count);
    this.#pending = this.#pending.slice(count);
    return text;
  }

  #patiently<T>(promise: Promise<T>, doing: string): Promise<T> {
    return within(promise, () => this.#explain(doing), {
      ms: PATIENCE_MS,
      giveUp: () => void this.#stream.close(),
    });
  }

  #record(mark: string, octets: Uint8Array): void {
    const shown = decodeLatin1(octets, 0, Math.min(octets.length, 2000));
    this.#transcript.push(`${mark} ${JSON.stringify(shown)}${octets.length > 2000 ? "..." : ""}`);
    if (this.#transcript.length > 500) this.#transcript.splice(1, 1); // long relays are cut in the middle
  }
}

function indexOf(octets: Uint8Array, wanted: Uint8Array, from: number): number {
  const first = wanted[0]!;
  for (let at = octets.indexOf(first, from); at >= 0; at = octets.indexOf(first, at + 1)) {
    if (wanted.every((octet, i) => octets[at + i] === octet)) return at;
  }
  return -1;
}
