/**
 * The WebAssembly module that `clean_text.ts` searches with, put together from named instructions.
 *
 * `scan` asks three questions of each octet, sixteen octets at a time: whether it is a CR without an LF behind it or
 * an LF without a CR before it, whether it is a dot behind CRLF, whether it is NUL. In lines of one length, as base64
 * has them, less is needed: it is known where the next CRLF has to stand, and when it stands there and nothing before
 * it is a control character, the line is clean. So now and then `scan` looks back at the lines that it has passed, and
 * when the last two are equally long, `lines` goes on from line to line for as long as that holds, which takes a third
 * of the time. (To look for each CRLF, however long the line, takes more: the processor guesses wrong at every end.)
 *
 * @module
 */

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/** Octets that are looked at in one turn, and how far behind them `scan` reads. */
export const BLOCK_OCTETS = 128;
export const LOOK_AHEAD_OCTETS = 2;

/** Octets from the start of the search to the first look back, and from one to the next. */
const FIRST_LOOK_OCTETS = 2 * BLOCK_OCTETS;
const NEXT_LOOK_OCTETS = 32_768;
/** Lengths of lines that five vectors cover, with CRLF. */
const LEAST_LINE_OCTETS = 50;
const MOST_LINE_OCTETS = 82;
/** The last two vectors of a line before its CRLF. */
const TAIL_OCTETS = 34;
/** After so many lines it is asked whether there was a control character in any of them. */
const LINES_AT_ONCE = 16;

type Code = readonly number[];

const I32 = 0x7f;
const V128 = 0x7b;
const BLOCK: Code = [0x02, 0x40];
const LOOP: Code = [0x03, 0x40];
const END: Code = [0x0b];
const SELECT: Code = [0x1b];
const EQUALS: Code = [0x46];
const DIFFERS: Code = [0x47];
const LESS: Code = [0x48];
const GREATER: Code = [0x4a];
const ADD: Code = [0x6a];
const SUBTRACT: Code = [0x6b];
const MASK: Code = [0x71];
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number): Code => [0x0d, depth];
const call = (index: number): Code => [0x10, index];
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const i32 = (value: number): Code => [0x41, ...signed(value)];
const load32 = (offset: number): Code => [0x28, 0, ...unsigned(offset)];
const load8 = (offset: number): Code => [0x2d, 0, ...unsigned(offset)];
const simd = (operation: number): Code => [0xfd, ...unsigned(operation)];
const load = (offset: number): Code => [...simd(0x00), 0, ...unsigned(offset)];
const splat = (octet: number): Code => [...i32(octet), ...simd(0x0f)];
const EQUAL = simd(0x23);
const AND = simd(0x4e);
const OR = simd(0x50);
const XOR = simd(0x51);
const ANY_TRUE = simd(0x53);
const MIN_UNSIGNED = simd(0x77);

/** Parameters of both functions. */
const [START, ENDING] = [0, 1];

/** The first block from START on that is not clean; where too little is left for another, the last octets. */
function scan(): Code {
  const [at, last, look, bad, least, here, returns, crs, lfs, dots, nuls] = [
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
  ];
  const lookAt = (offset: number): Code => [
    // CR here, and nothing but LF next; LF next, and nothing but CR here.
    ...[...get(at), ...load(offset), ...tee(here), ...get(crs), ...EQUAL, ...tee(returns)],
    ...[...get(at), ...load(offset + 1), ...get(lfs), ...EQUAL, ...XOR],
    // CR here, and a dot behind what must be its LF.
    ...[...get(returns), ...get(at), ...load(offset + 2), ...get(dots), ...EQUAL, ...AND],
    ...[...OR, ...get(bad), ...OR, ...set(bad)],
    ...[...get(least), ...get(here), ...MIN_UNSIGNED, ...set(least)],
  ];
  return routine({ numbers: 3, vectors: 8 }, [
    ...[...get(ENDING), ...i32(BLOCK_OCTETS + LOOK_AHEAD_OCTETS), ...SUBTRACT, ...set(last)],
    ...[...get(START), ...i32(FIRST_LOOK_OCTETS), ...ADD, ...set(look)],
    ...[...BLOCK, ...get(last), ...get(START), ...LESS, ...branchIf(0), ...LOOP],
    // Set here, they stay in registers: there is no call in the loop within.
    ...[...splat(CR), ...set(crs), ...splat(LF), ...set(lfs), ...splat(DOT), ...set(dots)],
    ...[...splat(NUL), ...set(nuls), ...LOOP],
    // The last block begins early enough, among octets that are known to be clean.
    ...[...get(START), ...get(last), ...get(START), ...get(last), ...LESS, ...SELECT, ...set(at)],
    ...[...get(nuls), ...set(bad), ...splat(0xff), ...set(least)],
    ...Array.from({ length: BLOCK_OCTETS / 16 }, (_, turn) => lookAt(16 * turn)).flat(),
    ...[...get(bad), ...get(least), ...get(nuls), ...EQUAL, ...OR, ...ANY_TRUE, ...branchIf(2)],
    ...[...get(at), ...i32(BLOCK_OCTETS), ...ADD, ...set(START)],
    ...[...get(at), ...get(last), ...EQUALS, ...branchIf(2)],
    ...[...get(START), ...get(look), ...LESS, ...branchIf(0), ...END],
    ...[
      ...get(START),
      ...get(ENDING),
      ...call(1),
      ...tee(START),
      ...i32(NEXT_LOOK_OCTETS),
      ...ADD,
      ...set(look),
    ],
    ...[...branch(0), ...END, ...END, ...get(START)],
  ]);
}

/** Where lines of one length end that begin around START; START itself when there are none. */
function lines(): Code {
  const [line, floor, octets, left, tail, next, least, crs] = [2, 3, 4, 5, 6, 7, 8, 9];
  /** To the LF before `line`; out of the block around it when none is near. */
  const lineFeedBefore: Code = [
    ...[...LOOP, ...get(line), ...get(floor), ...EQUALS, ...branchIf(1)],
    ...[...get(line), ...i32(1), ...SUBTRACT, ...tee(line), ...load8(0), ...i32(LF), ...DIFFERS],
    ...[...branchIf(0), ...END],
  ];
  return routine({ numbers: 6, vectors: 2 }, [
    ...[...splat(CR), ...set(crs), ...BLOCK],
    ...[...get(START), ...tee(line), ...i32(2 * MOST_LINE_OCTETS), ...SUBTRACT, ...set(floor)],
    ...[...lineFeedBefore, ...get(line), ...set(octets), ...lineFeedBefore],
    ...[...get(octets), ...get(line), ...SUBTRACT, ...tee(octets)],
    ...[...i32(LEAST_LINE_OCTETS), ...LESS, ...get(octets), ...i32(MOST_LINE_OCTETS), ...GREATER],
    ...[0x72, ...branchIf(0)],
    ...[...get(line), ...get(octets), ...ADD, ...i32(1), ...ADD, ...set(line)],
    ...[...LOOP, ...i32(LINES_AT_ONCE), ...set(left), ...splat(0xff), ...set(least)],
    ...[...BLOCK, ...LOOP],
    // All of the line, and two octets of the next, are there.
    ...[...get(line), ...get(octets), ...ADD, ...i32(TAIL_OCTETS), ...SUBTRACT, ...tee(tail)],
    ...[...i32(TAIL_OCTETS + LOOK_AHEAD_OCTETS), ...ADD, ...get(ENDING), ...GREATER, ...branchIf(1)],
    // CRLF is its end, and no dot stands behind it.
    ...[...get(tail), ...load32(TAIL_OCTETS - 2), ...tee(next), ...i32(0xffff), ...MASK],
    ...[...i32(LF << 8 | CR), ...DIFFERS, ...branchIf(1)],
    ...[...get(next), ...i32(0xff0000), ...MASK, ...i32(DOT << 16), ...EQUALS, ...branchIf(1)],
    ...[...get(line), ...load(0), ...get(line), ...load(16), ...MIN_UNSIGNED],
    ...[...get(line), ...load(32), ...get(tail), ...load(0), ...MIN_UNSIGNED, ...MIN_UNSIGNED],
    ...[...get(tail), ...load(16), ...get(least), ...MIN_UNSIGNED, ...MIN_UNSIGNED, ...set(least)],
    ...[...get(line), ...get(octets), ...ADD, ...set(line)],
    ...[...get(left), ...i32(1), ...SUBTRACT, ...tee(left), ...branchIf(0), ...END, ...END],
    // A control character may stand in any of them.
    ...[...get(least), ...get(crs), ...MIN_UNSIGNED, ...get(least), ...EQUAL, ...ANY_TRUE, ...branchIf(1)],
    // Not behind the last CRLF, but before it: `scan` sees an LF only from the octet before.
    ...[...get(line), ...i32(2), ...SUBTRACT, ...tee(tail)],
    ...[...get(START), ...get(tail), ...get(START), ...GREATER, ...SELECT, ...set(START)],
    ...[...get(left), ...i32(0), ...EQUALS, ...branchIf(0), ...END, ...END],
    ...get(START),
  ]);
}

/** The module: it takes `from.memory`, of so many pages, and gives `scan`. */
export function scanModule(pages: number): Uint8Array<ArrayBuffer> {
  const type = [0x60, ...vector([[I32], [I32]]), ...vector([[I32]])];
  const memory = [...name("from"), ...name("memory"), 0x02, 0x01, ...unsigned(pages), ...unsigned(pages)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [type]),
    ...section(2, [memory]),
    ...section(3, [[0], [0]]),
    ...section(7, [[...name("scan"), 0x00, 0x00]]),
    ...section(10, [scan(), lines()]),
  ]);
}

function routine(locals: { numbers: number; vectors: number }, body: Code): Code {
  const code = [...vector([[locals.numbers, I32], [locals.vectors, V128]]), ...body, ...END];
  return [...unsigned(code.length), ...code];
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
