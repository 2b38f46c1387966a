/** Octets of a buffer that waits for a connection that is quiet: a TLS record with an SMTP command fits. */
const SMALL = 2048;
/**
 * The buffers for connections on which data flows; of each kind but the first for those that have filled one of the kind
 * before. Only so many are lent at a time: a client that begins to send and stops must not hold memory that nobody else
 * can have.
 */
const LARGE = [
  { octets: 65_536, maxLent: 1_024 },
  { octets: 262_144, maxLent: 64 },
  { octets: 1_048_576, maxLent: 16 },
] as const;
/** A large buffer filled less than this means that the flow has ended. */
const FLOWING = 16_384;
/** Large buffers kept for the next connection, of each length: 10 MiB per thread. */
const KEPT = 8;
/** The same of small ones: as many as come and go at a time. */
const KEPT_SMALL = 64;

const pools = LARGE.map(() => ({ kept: [] as Uint8Array[], lent: 0 }));
/** Small buffers for the next connection, by their length: a new one takes the allocator and the collector. */
const keptSmall = new Map<number, Uint8Array[]>();

/**
 * Buffers for reading one connection: small ones while it is quiet, since there are many such connections, and large
 * ones, borrowed from a pool of the thread, while data flows.
 */
export class ReadBuffers {
  #quietOctets: number;
  #small: Uint8Array | null = null;
  #large: Uint8Array | null = null;
  /** Which of {@linkcode LARGE} the large one is; -1 while there is none. */
  #level = -1;

  /** `quietOctets` is the length of the small ones. */
  constructor(quietOctets = SMALL) {
    this.#quietOctets = quietOctets;
  }

  /** Changes the length of the small ones. */
  quiet(octets: number): void {
    this.#quietOctets = octets;
    this.#giveSmallBack();
  }

  /** The buffer for the next read. */
  next(): Uint8Array {
    return this.#large ?? (this.#small ??= takeSmall(this.#quietOctets));
  }

  /** Says how many octets the read gave, once they are copied out of the buffer. */
  filled(octets: number): void {
    if (octets === this.next().length) this.#grow();
    else if (this.#level >= 0 && octets < FLOWING) this.#giveBack();
  }

  /** Says that the buffer of the last read now belongs to somebody else. */
  lost(): void {
    this.#small = null;
    if (this.#level >= 0) pools[this.#level]!.lent--;
    this.#large = null;
    this.#level = -1;
  }

  /** Gives all buffers up; no read may be under way. */
  release(): void {
    this.#giveSmallBack();
    this.#giveBack();
  }

  /** Goes over to the next larger kind, where one is to be had. */
  #grow(): void {
    const level = this.#level + 1;
    const pool = pools[level];
    if (pool === undefined || pool.lent === LARGE[level]!.maxLent) return;
    this.#giveSmallBack();
    this.#giveBack();
    this.#level = level;
    this.#large = pool.kept.pop() ?? new Uint8Array(LARGE[level]!.octets);
    pool.lent++;
  }

  #giveBack(): void {
    if (this.#large === null) return;
    const pool = pools[this.#level]!;
    pool.lent--;
    if (pool.kept.length < KEPT) pool.kept.push(this.#large);
    this.#large = null;
    this.#level = -1;
  }

  #giveSmallBack(): void {
    if (this.#small === null) return;
    const kept = keptSmall.get(this.#small.length);
    if (kept === undefined) keptSmall.set(this.#small.length, [this.#small]);
    else if (kept.length < KEPT_SMALL) kept.push(this.#small);
    this.#small = null;
  }
}

function takeSmall(octets: number): Uint8Array {
  return keptSmall.get(octets)?.pop() ?? new Uint8Array(octets);
}
