/**
 * Runs a reader's case in every segmentation that matters: whole, octet by octet, cut at each position, and with
 * octets of somebody else behind it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";

/** What all readers of the room have in common. */
export interface Reader<Value> {
  feed(bytes: Uint8Array): void;
  next(): Value | null;
  takeRest(): Uint8Array;
}

/** Not the beginning of any line, reply or header. */
const EXTRA = encodeLatin1("\0\r\n\xffextra");

/** Asserts that `input` is exactly one value: null before its last octet, nothing left behind it. */
export function assertReadsEveryWay<Value>(make: () => Reader<Value>, input: Uint8Array, value: Value): void {
  const whole = make();
  whole.feed(input);
  assert.deepEqual(whole.next(), value, "whole");
  assert.equal(whole.takeRest().length, 0, "whole: rest");

  const single = make();
  for (let i = 0; i < input.length; i++) {
    assert.equal(single.next(), null, `need more before octet ${i}`);
    single.feed(input.subarray(i, i + 1));
  }
  assert.deepEqual(single.next(), value, "octet by octet");

  for (let cut = 0; cut <= input.length; cut++) {
    const reader = make();
    reader.feed(input.subarray(0, cut));
    if (cut < input.length) assert.equal(reader.next(), null, `cut at ${cut}: need more`);
    reader.feed(input.subarray(cut));
    assert.deepEqual(reader.next(), value, `cut at ${cut}`);
  }

  const followed = make();
  followed.feed(input);
  followed.feed(EXTRA);
  assert.deepEqual(followed.next(), value, "followed by extra octets");
  assert.deepEqual(followed.takeRest(), EXTRA, "extra octets remain");
}

/**
 * Asserts that `input` is at fault as soon as `octets` of it are there (all, if not said), in every segmentation,
 * and that the fault stays.
 */
export function assertFaultsEveryWay<Value>(
  make: () => Reader<Value>,
  input: Uint8Array,
  fault: Value,
  octets: number = input.length,
): void {
  const whole = make();
  whole.feed(input);
  whole.feed(EXTRA);
  assert.deepEqual(whole.next(), fault, "whole");
  assert.deepEqual(whole.next(), fault, "asked again");

  const single = make();
  for (let i = 0; i < octets; i++) {
    assert.equal(single.next(), null, `need more before octet ${i}`);
    single.feed(input.subarray(i, i + 1));
  }
  assert.deepEqual(single.next(), fault, "octet by octet");

  for (let cut = 0; cut < octets; cut++) {
    const reader = make();
    reader.feed(input.subarray(0, cut));
    assert.equal(reader.next(), null, `cut at ${cut}: need more`);
    reader.feed(input.subarray(cut));
    assert.deepEqual(reader.next(), fault, `cut at ${cut}`);
  }
}
