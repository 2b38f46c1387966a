/** Octets of a buffer that waits for a connection that is quiet: a TLS record with an SMTP command fits. */
const SMALL = 2048;
/** Octets of a buffer for a connection on which data flows. */
const LARGE = 65536;
/** A large buffer filled less than this means that the flow has ended. */
const FLOWING = 16384;
/** Large buffers kept for the next connection: 2 MiB per process. */
const KEPT = 32;

const pool: Uint8Array[] = [];

/**
 * Buffers for reading one connection: small ones while it is quiet, since there are many such connections, and large
 * ones, borrowed from a pool of the process, while data flows.
 */
export class ReadBuffers {
  #quietOctets: number;
  #small: Uint8Array | null = null;
  #large: Uint8Array | null = null;

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
    return this.#large ?? (this.#small ??= new Uint8Array(this.#quietOctets));
  }

  /** Says how many octets the read gave, once they are copied out of the buffer. */
  filled(octets: number): void {
    if (this.#large !== null) {
      if (octets < FLOWING) this.#giveBack();
    } else if (octets === this.#quietOctets) {
      this.#small = null;
      this.#large = pool.pop() ?? new Uint8Array(LARGE);
    }
  }

  /** Says that the buffer of the last read now belongs to somebody else. */
  lost(): void {
    this.#small = null;
    this.#large = null;
  }

  /** Gives all buffers up; no read may be under way. */
  release(): void {
    this.#small = null;
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#large !== null && pool.length < KEPT) pool.push(this.#large);
    this.#large = null;
  }
}
