/**
 * How far text is clean, found at the speed of memory.
 *
 * A message is mostly lines in which nothing has to be done, but each octet has to be looked at. Calling
 * `indexOf()` for every line costs more than moving the message does, and a loop over octets twice that, so the
 * search is sixteen octets at a time: a small WebAssembly module, put together below from named instructions. (It
 * takes a fifteenth of the time of either.) Buffers from {@linkcode scannedBuffer} lie in its memory; others are
 * copied there.
 *
 * @module
 */

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/** Octets looked at in one turn, and how far behind them the module reads. */
const BLOCK_OCTETS = 128;
const LOOK_AHEAD_OCTETS = 2;
const PAGE_OCTETS = 65_536;
/** Where octets are copied to that lie elsewhere. */
const COPY_OCTETS = PAGE_OCTETS;
/** Memory is taken from the system when it is written to, not before. */
const BUFFERS_OCTETS = 16 * 1024 * 1024;

/** Fewer octets than these are not worth the call. */
export const LEAST_CLEAN_OCTETS = BLOCK_OCTETS + LOOK_AHEAD_OCTETS;

interface Scanner {
  readonly octets: Uint8Array;
  /** From `start`, the first block that is not clean, or where too little is left before `end`. */
  readonly scan: (start: number, end: number) => number;
  /** Where the next buffer begins. */
  free: number;
}

let scanner: Scanner | null = null;

/**
 * An index at or behind `start`, at most the length of `bytes`, before which all is clean: no NUL, no CR without
 * an LF behind it, no LF without a CR before it, no dot at the beginning of a line; the octet at `start` itself is
 * looked at as if neither CR nor LF stood before it. What stands there need not be unclean: the search goes on in
 * steps and ends before the last octets.
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

// The module, in the binary format of WebAssembly ---------------------------------------------------------------

type Code = readonly number[];

const I32 = 0x7f;
const V128 = 0x7b;
const END: Code = [0x0b];
const EMPTY_BLOCK: Code = [0x02, 0x40];
const LOOP: Code = [0x03, 0x40];
const I32_ADD: Code = [0x6a];
const I32_GT_S: Code = [0x4a];
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number): Code => [0x0d, depth];
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const i32 = (value: number): Code => [0x41, ...signed(value)];
const simd = (operation: number): Code => [0xfd, ...unsigned(operation)];
const load = (offset: number): Code => [...simd(0x00), 0, ...unsigned(offset)];
const SPLAT = simd(0x0f);
const EQUAL = simd(0x23);
const AND = simd(0x4e);
const OR = simd(0x50);
const XOR = simd(0x51);
const ANY_TRUE = simd(0x53);
const MIN_UNSIGNED = simd(0x77);

/** Parameters and locals of `scan`. */
const [START, ENDING, BAD, LEAST, HERE, RETURNS, CRS, LFS, DOTS, NULS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Looks at sixteen octets. */
function lookAt(offset: number): Code {
  return [
    // CR here, and nothing but LF next; LF next, and nothing but CR here.
    ...[...get(START), ...load(offset), ...tee(HERE), ...get(CRS), ...EQUAL, ...tee(RETURNS)],
    ...[...get(START), ...load(offset + 1), ...get(LFS), ...EQUAL, ...XOR],
    // CR here, and a dot behind what must be its LF.
    ...[...get(RETURNS), ...get(START), ...load(offset + 2), ...get(DOTS), ...EQUAL, ...AND],
    ...[...OR, ...get(BAD), ...OR, ...set(BAD)],
    ...[...get(LEAST), ...get(HERE), ...MIN_UNSIGNED, ...set(LEAST)],
  ];
}

function scanModule(pages: number): Uint8Array<ArrayBuffer> {
  const body: Code = [
    ...[...i32(CR), ...SPLAT, ...set(CRS), ...i32(LF), ...SPLAT, ...set(LFS)],
    ...[...i32(DOT), ...SPLAT, ...set(DOTS), ...i32(NUL), ...SPLAT, ...set(NULS)],
    ...[...EMPTY_BLOCK, ...LOOP],
    ...[...get(START), ...i32(BLOCK_OCTETS + LOOK_AHEAD_OCTETS), ...I32_ADD, ...get(ENDING), ...I32_GT_S],
    ...branchIf(1),
    ...[...get(NULS), ...set(BAD), ...i32(0xff), ...SPLAT, ...set(LEAST)],
    ...Array.from({ length: BLOCK_OCTETS / 16 }, (_, turn) => lookAt(16 * turn)).flat(),
    ...[...get(BAD), ...get(LEAST), ...get(NULS), ...EQUAL, ...OR, ...ANY_TRUE, ...branchIf(1)],
    ...[...get(START), ...i32(BLOCK_OCTETS), ...I32_ADD, ...set(START), ...branch(0)],
    ...[...END, ...END, ...get(START), ...END],
  ];
  const locals = vector([[8, V128]]);
  const type = [0x60, ...vector([[I32], [I32]]), ...vector([[I32]])];
  const memory = [...name("from"), ...name("memory"), 0x02, 0x01, ...unsigned(pages), ...unsigned(pages)];
  const code = [...locals, ...body];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [type]),
    ...section(2, [memory]),
    ...section(3, [[0]]),
    ...section(7, [[...name("scan"), 0x00, 0x00]]),
    ...section(10, [[...unsigned(code.length), ...code]]),
  ]);
}

function section(id: number, items: readonly Code[]): Code {
  const content = vector(items);
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function name(text: string): Code {
  return [text.length, ...Array.from(text, (letter) => letter.charCodeAt(0))];
}

/** LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128 of a number that is not negative, with room for its sign. */
function signed(value: number): Code {
  return value < 0x40 ? [value] : [value & 0x7f | 0x80, ...signed(value >>> 7)];
}
