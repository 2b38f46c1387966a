import { scannedBuffer } from "../bytes/clean_text.ts";

/** What a client's commands are read into, in octets: most are shorter, and every idle connection has one. */
export const CLIENT_OCTETS = 128;
/** What a mail server's replies are read into before the relay, in octets: most are shorter. */
export const REPLY_OCTETS = 512;
/** What a relay reads into while little is said, in octets. */
export const SMALL_OCTETS = 2_048;
/** What a relay reads into while data flows and many do so, in octets. */
export const MEDIUM_OCTETS = 65_536;
/** What a relay reads into while data flows, in octets. Fewer and larger reads save system calls. */
export const LARGE_OCTETS = 262_144;
/** What a relay reads into while data flows so fast that a read fills a large buffer, in octets. */
export const HUGE_OCTETS = 1_048_576;

/** How many flow buffers may be lent at a time: 16 MiB of huge and of large ones, then 64 MiB of medium ones. */
const MAX_LENT = { [HUGE_OCTETS]: 16, [LARGE_OCTETS]: 64, [MEDIUM_OCTETS]: 1_024 } as const;

type FlowOctets = keyof typeof MAX_LENT;
type PooledOctets = typeof CLIENT_OCTETS | typeof REPLY_OCTETS | typeof SMALL_OCTETS | FlowOctets;

/**
 * Lends read buffers. Flow buffers go to connections while data flows, so that idle ones need not own any, and only so
 * many of them: a client that begins to send and stops must not hold memory that nobody else can have. Small ones are
 * used again for the next connection, which is cheaper than to have them made and collected.
 */
export class BufferPool {
  readonly #kept: Readonly<Record<PooledOctets, Uint8Array[]>> = {
    [CLIENT_OCTETS]: [],
    [REPLY_OCTETS]: [],
    [SMALL_OCTETS]: [],
    [MEDIUM_OCTETS]: [],
    [LARGE_OCTETS]: [],
    [HUGE_OCTETS]: [],
  };
  readonly #lent: Record<FlowOctets, number> = { [HUGE_OCTETS]: 0, [LARGE_OCTETS]: 0, [MEDIUM_OCTETS]: 0 };
  readonly #maxKept: number;

  /** Keeps at most `maxKept` buffers of each size that nobody borrows. */
  constructor(maxKept = 64) {
    this.#maxKept = maxKept;
  }

  /** A buffer with arbitrary content. */
  take(octets: typeof CLIENT_OCTETS | typeof REPLY_OCTETS | typeof SMALL_OCTETS): Uint8Array {
    return this.#take(octets);
  }

  /** A large or medium flow buffer, as is to be had, with arbitrary content; null when all are lent. */
  takeFlow(): Uint8Array | null {
    return this.#takeFlow(LARGE_OCTETS) ?? this.#takeFlow(MEDIUM_OCTETS);
  }

  /** A huge flow buffer in exchange for a large one, which is given back, or `flow` itself when there is none. */
  exchangeFlow(flow: Uint8Array): Uint8Array {
    const huge = flow.length === LARGE_OCTETS ? this.#takeFlow(HUGE_OCTETS) : null;
    if (huge === null) return flow;
    this.give(flow);
    return huge;
  }

  /** Returns a buffer; the caller must not use it any more, and no read into it may be under way. */
  give(buffer: Uint8Array): void {
    const octets = buffer.length as PooledOctets;
    if (isFlow(octets)) this.#lent[octets]--;
    const kept = this.#kept[octets];
    if (kept.length < this.#maxKept) kept.push(buffer);
  }

  #takeFlow(octets: FlowOctets): Uint8Array | null {
    if (this.#lent[octets] === MAX_LENT[octets]) return null;
    this.#lent[octets]++;
    return this.#take(octets);
  }

  #take(octets: PooledOctets): Uint8Array {
    const kept = this.#kept[octets].pop();
    if (kept !== undefined) return kept;
    // The guard looks at every octet that flows, and does so best where it need not copy them before.
    return octets >= LARGE_OCTETS ? scannedBuffer(octets) : new Uint8Array(octets);
  }
}

function isFlow(octets: PooledOctets): octets is FlowOctets {
  return octets in MAX_LENT;
}
