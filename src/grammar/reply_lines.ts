/**
 * Lines of replies, read where they lie, for a relay that passes them on as they are.
 *
 * @module
 */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const HYPHEN = 0x2d;
const ZERO = 0x30;

/** Index of the first LF from `start` on, or -1: lines are short, and a loop costs less than a call for each. */
export function lineFeedIn(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === LF) return at;
  return -1;
}

/**
 * The code of a line, from `start` to its LF at `lineFeed`: three digits, the first 2 to 5, then SP, `-` or CRLF,
 * and no other CR and no NUL behind them (RFC 5321 §4.2.1). 0 when it is malformed; negative when another line of
 * the reply follows.
 */
export function replyCode(bytes: Uint8Array, start: number, lineFeed: number): number {
  const end = lineFeed - 1;
  if (end < start + 3 || bytes[end] !== CR) return 0;
  const first = bytes[start]! - ZERO;
  const second = bytes[start + 1]! - ZERO;
  const third = bytes[start + 2]! - ZERO;
  if (first < 2 || first > 5 || second < 0 || second > 9 || third < 0 || third > 9) return 0;
  const code = first * 100 + second * 10 + third;
  if (end === start + 3) return code;
  const separator = bytes[start + 3]!;
  if (separator !== SPACE && separator !== HYPHEN) return 0;
  // A CR of its own would be a line end to some clients: 250-<CR>... can hide another reply.
  for (let at = start + 4; at < end; at++) if (bytes[at] === CR || bytes[at] === 0) return 0;
  return separator === SPACE ? code : -code;
}
