/**
 * How far text is clean, found at the speed of memory.
 *
 * A message is mostly lines in which nothing has to be done, but each octet has to be looked at. Calling
 * `indexOf()` for every line costs more than moving the message does, and a loop over octets twice that, so the
 * search is sixteen octets at a time: a small WebAssembly module, `clean_text_module.ts`. (It takes a fifteenth of the
 * time of either, and half of that in lines of one length.) Buffers from {@linkcode scannedBuffer} lie in its memory; others are
 * copied there.
 *
 * @module
 */
import { BLOCK_OCTETS, LOOK_AHEAD_OCTETS, scanModule } from "./clean_text_module.ts";

const PAGE_OCTETS = 65_536;
/** Where octets are copied to that lie elsewhere. */
const COPY_OCTETS = PAGE_OCTETS;
/** Memory is taken from the system when it is written to, not before. */
const BUFFERS_OCTETS = 32 * 1024 * 1024;

/** Fewer octets than these are not worth the call. */
export const LEAST_CLEAN_OCTETS = BLOCK_OCTETS + LOOK_AHEAD_OCTETS;

interface Scanner {
  readonly octets: Uint8Array;
  /** From `start`, the first block that is not clean; two octets before `end` where all are, or `start` itself. */
  readonly scan: (start: number, end: number) => number;
  /** Where the next buffer begins. */
  free: number;
}

let scanner: Scanner | null = null;

/**
 * An index at or behind `start`, at most the length of `bytes`, before which all is clean: no NUL, no CR without
 * an LF behind it, no LF without a CR before it, no dot at the beginning of a line; of the octet at
 * `start` itself only what stands behind it is looked at, so the caller has to know what an LF or a dot there means.
 * What stands at the index need not be unclean: the search goes on in steps, and leaves the last two octets.
 */
export function cleanEnd(bytes: Uint8Array, start: number): number {
  const { octets, scan } = scanner ??= makeScanner();
  const { length } = bytes;
  if (bytes.buffer === octets.buffer) {
    const offset = bytes.byteOffset;
    return scan(offset + start, offset + length) - offset;
  }
  for (let at = start;;) {
    const part = bytes.subarray(at, at + COPY_OCTETS);
    if (part.length < LEAST_CLEAN_OCTETS) return at;
    octets.set(part, 0);
    const clean = scan(0, part.length);
    at += clean;
    if (part.length - clean >= LEAST_CLEAN_OCTETS) return at;
  }
}

/** A buffer that need not be copied for {@linkcode cleanEnd}, while there are such; any buffer afterwards. */
export function scannedBuffer(octets: number): Uint8Array {
  const from = scanner ??= makeScanner();
  const start = from.free;
  if (start + octets > from.octets.length) return new Uint8Array(octets);
  from.free += octets;
  return new Uint8Array(from.octets.buffer, start, octets);
}

function makeScanner(): Scanner {
  const pages = (COPY_OCTETS + BUFFERS_OCTETS) / PAGE_OCTETS;
  // It never grows: that would take the memory away from under the buffers.
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(scanModule(pages)), { from: { memory } });
  return {
    octets: new Uint8Array(memory.buffer),
    scan: instance.exports["scan"] as Scanner["scan"],
    free: COPY_OCTETS,
  };
}
