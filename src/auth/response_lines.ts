/**
 * What stands in the lines of a response's head, in octets.
 *
 * @module
 */
import { decodeLatin1, encodeLatin1 } from "../bytes/latin1.ts";

const NUL = 0x00;
const TAB = 0x09;
const CR = 0x0d;
const BLANK = 0x20;
const ZERO = 0x30;
const VERSION = encodeLatin1("HTTP/1.");

/** The status line of HTTP/1.x with any digit for x, a status from 100 to 599, and nothing or a blank and a reason. */
export function isStatusLine(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 12) return false;
  for (let i = 0; i < VERSION.length; i++) {
    if (bytes[start + i] !== VERSION[i]) return false;
  }
  const hundreds = bytes[start + 9]! - ZERO;
  return isDigit(bytes[start + 7]!) && bytes[start + 8] === BLANK && hundreds >= 1 && hundreds <= 5 &&
    isDigit(bytes[start + 10]!) && isDigit(bytes[start + 11]!) &&
    (end - start === 12 || bytes[start + 12] === BLANK) && isText(bytes, start + 12, end);
}

/** Whether there is neither CR nor NUL from `start` to before `end`. */
export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const octet = bytes[at];
    if (octet === CR || octet === NUL) return false;
  }
  return true;
}

/** A value without the optional whitespace at both ends (RFC 9110 §5.6.3). */
export function decodeTrimmed(bytes: Uint8Array, start: number, end: number): string {
  while (start < end && isBlank(bytes[start]!)) start++;
  while (end > start && isBlank(bytes[end - 1]!)) end--;
  return decodeLatin1(bytes, start, end);
}

function isBlank(octet: number): boolean {
  return octet === BLANK || octet === TAB;
}

function isDigit(octet: number): boolean {
  return octet >= ZERO && octet <= ZERO + 9;
}
