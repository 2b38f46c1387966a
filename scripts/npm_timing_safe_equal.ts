/**
 * `timingSafeEqual` of `@std/crypto` over `node:crypto`, for networks that reach only the npm registry. The one
 * difference: Node throws on unequal lengths, `@std/crypto` answers false.
 *
 * @module
 */
import { timingSafeEqual as nodeTimingSafeEqual } from "node:crypto";

/** Compares two byte sequences in a time that depends on their lengths only. */
export function timingSafeEqual(
  a: ArrayBufferView | ArrayBufferLike,
  b: ArrayBufferView | ArrayBufferLike,
): boolean {
  if (a.byteLength !== b.byteLength) return false;
  return nodeTimingSafeEqual(view(a), view(b));
}

function view(value: ArrayBufferView | ArrayBufferLike): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}
