/** Octets of a buffer that waits for a connection that is quiet: a TLS record with an SMTP command fits. */
const SMALL = 2048;
/** Octets of the buffers for connections on which data flows: the second is for one that fills the first. */
const LARGE = [65_536, 262_144] as const;
/** A large buffer filled less than this means that the flow has ended. */
const FLOWING = 16_384;
/** Large buffers kept for the next connection, of each length: 5 MiB per thread. */
const KEPT = 16;

const pools: readonly Uint8Array[][] = LARGE.map(() => []);

/**
 * Buffers for reading one connection: small ones while it is quiet, since there are many such connections, and large
 * ones, borrowed from a pool of the thread, while data flows.
 */
export class ReadBuffers {
  #quietOctets: number;
  #small: Uint8Array | null = null;
  #large: Uint8Array | null = null;
  /** Which of {@linkcode LARGE} the next buffer is; -1 for a small one. */
  #level = -1;

  /** `quietOctets` is the length of the small ones. */
  constructor(quietOctets = SMALL) {
    this.#quietOctets = quietOctets;
  }

  /** Changes the length of the small ones. */
  quiet(octets: number): void {
    this.#quietOctets = octets;
    this.#small = null;
  }

  /** The buffer for the next read. */
  next(): Uint8Array {
    if (this.#level < 0) return this.#small ??= new Uint8Array(this.#quietOctets);
    return this.#large ??= pools[this.#level]!.pop() ?? new Uint8Array(LARGE[this.#level]!);
  }

  /** Says how many octets the read gave, once they are copied out of the buffer. */
  filled(octets: number): void {
    const { length } = this.next();
    if (octets === length && this.#level < LARGE.length - 1) {
      this.#giveBack();
      this.#level++;
    } else if (this.#level >= 0 && octets < FLOWING) {
      this.#giveBack();
      this.#level = -1;
    }
  }

  /** Says that the buffer of the last read now belongs to somebody else. */
  lost(): void {
    this.#small = null;
    this.#large = null;
  }

  /** Gives all buffers up; no read may be under way. */
  release(): void {
    this.#giveBack();
    this.#level = -1;
  }

  #giveBack(): void {
    this.#small = null;
    if (this.#large !== null && pools[this.#level]!.length < KEPT) pools[this.#level]!.push(this.#large);
    this.#large = null;
  }
}
