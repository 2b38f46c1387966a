/**
 * A peer of Postern that knows by heart what it hears and what it says, without a socket.
 *
 * @module
 */
import {
  ConnectionError,
  type SocketAddress,
  type TlsFacts,
  type Transport,
} from "../../src/ports/transport.ts";

/** One step of a dialogue. */
export interface Step {
  /** What must come; more may follow it, to the end of a line. */
  readonly hears: Uint8Array;
  /** Whether nothing may follow it. */
  readonly whole: boolean;
  readonly says: Uint8Array;
}

const LF = 0x0a;

/** Postern's end of the connection to a peer, which ends it after the last step of its script. */
export class ScriptedPeer implements Transport {
  readonly local: SocketAddress = { kind: "tcp", host: "127.0.0.1", port: 25 };
  readonly remote: SocketAddress = { kind: "tcp", host: "127.0.0.1", port: 40025 };
  tls: TlsFacts | null = null;
  readonly #script: readonly Step[];
  /** Whether the script begins again instead of ending. */
  readonly #again: boolean;
  #step = 0;
  /** Octets of this step that came. */
  #heard = 0;
  /** What is still to be read. */
  #said: Uint8Array;
  #ended = false;
  #closed = false;
  #reader:
    | { into: Uint8Array; resolve: (count: number | null) => void; reject: (error: Error) => void }
    | null = null;

  constructor(greeting: Uint8Array, script: readonly Step[], again = false) {
    this.#said = greeting;
    this.#script = script;
    this.#again = again;
  }

  /** Whether all of the script was heard. */
  get finished(): boolean {
    return this.#step === this.#script.length;
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#said.length > 0) return Promise.resolve(this.#take(into));
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#reader = { into, resolve, reject });
  }

  /** @throws {Error} when it is not what the script has next. */
  write(octets: Uint8Array): Promise<void> {
    const step = this.#script[this.#step];
    if (step === undefined || !fits(octets, step, this.#heard)) {
      const expected = step === undefined ? "nothing" : JSON.stringify(textOf(step.hears));
      return Promise.reject(new Error(`Expected ${expected}, received ${JSON.stringify(textOf(octets))}`));
    }
    this.#heard += octets.length;
    if (this.#heard >= step.hears.length && octets[octets.length - 1] === LF) this.#say(step);
    return Promise.resolve();
  }

  closeWrite(): Promise<void> {
    this.#ended = true;
    this.#wake();
    return Promise.resolve();
  }

  close(): void {
    this.#closed = true;
    this.#reader?.reject(closed());
    this.#reader = null;
  }

  #say({ says }: Step): void {
    this.#heard = 0;
    this.#said = says;
    this.#step++;
    if (this.finished) {
      if (this.#again) this.#step = 0;
      else this.#ended = true;
    }
    this.#wake();
  }

  #wake(): void {
    const reader = this.#reader;
    if (reader === null) return;
    this.#reader = null;
    reader.resolve(this.#said.length > 0 ? this.#take(reader.into) : null);
  }

  #take(into: Uint8Array): number {
    const count = Math.min(this.#said.length, into.length);
    into.set(count === this.#said.length ? this.#said : this.#said.subarray(0, count));
    this.#said = this.#said.subarray(count);
    return count;
  }
}

/** Whether `octets` go on with a step of which `heard` octets came. */
function fits(octets: Uint8Array, { hears, whole }: Step, heard: number): boolean {
  const known = Math.max(0, Math.min(octets.length, hears.length - heard));
  for (let i = 0; i < known; i++) if (octets[i] !== hears[heard + i]) return false;
  return known === octets.length || !whole;
}

function closed(): ConnectionError {
  return new ConnectionError("closed", "closed");
}

function textOf(octets: Uint8Array): string {
  return new TextDecoder("latin1").decode(octets);
}
