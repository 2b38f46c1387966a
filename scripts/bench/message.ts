/**
 * The messages of the bench. All of them are the beginning of one pattern that repeats, so that the sink can
 * compare every octet with what was sent at next to no cost, which a digest could not.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const LINE_OCTETS = 64;
const PERIOD_OCTETS = 64 * 1024;
/** Most octets that are written or compared at once. */
export const CHUNK_OCTETS = 256 * 1024;

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

/** One period and one chunk: a chunk that begins anywhere in the period is a part of it. */
const PATTERN = repeatedPattern(PERIOD_OCTETS + CHUNK_OCTETS);

/** Lines of letters in an order that does not repeat within the period; none begins with a dot. */
function repeatedPattern(octets: number): Uint8Array {
  const pattern = new Uint8Array(octets);
  let random = 1;
  for (let i = 0; i < PERIOD_OCTETS; i++) {
    const column = i % LINE_OCTETS;
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    if (column === LINE_OCTETS - 2) pattern[i] = 0x0d;
    else if (column === LINE_OCTETS - 1) pattern[i] = 0x0a;
    else pattern[i] = LETTERS.charCodeAt(random >>> 26);
  }
  for (let at = PERIOD_OCTETS; at < octets; at += PERIOD_OCTETS) {
    pattern.copyWithin(at, 0, Math.min(PERIOD_OCTETS, octets - at));
  }
  return pattern;
}

/**
 * The octets of a message from `offset` on, at most {@linkcode CHUNK_OCTETS}; a message is `octets` long, whole
 * lines of 64.
 * @throws {RangeError} when that is no number of whole lines.
 */
export function messageChunk(octets: number, offset: number): Uint8Array {
  if (octets % LINE_OCTETS !== 0) {
    throw new RangeError(`Expected whole lines of 64 octets, received ${octets}`);
  }
  const start = offset % PERIOD_OCTETS;
  return PATTERN.subarray(start, start + Math.min(CHUNK_OCTETS, octets - offset));
}

/** Whether `chunk`, of at most {@linkcode CHUNK_OCTETS}, is what messages have at `offset`. */
export function isMessageChunk(chunk: Uint8Array, offset: number): boolean {
  const start = offset % PERIOD_OCTETS;
  return Buffer.compare(chunk, PATTERN.subarray(start, start + chunk.length)) === 0;
}

/** The recipient that tells the sink how long the message will be. */
export function recipientFor(octets: number): string {
  return `octets-${octets}@sink.test`;
}

/** The length that a RCPT line tells, or null. */
export function announcedOctets(line: string): number | null {
  const match = /<octets-(\d{1,12})@/.exec(line);
  return match === null ? null : Number(match[1]);
}
