import assert from "node:assert/strict";
import { ReadBuffers } from "../../../src/io/read_buffers.ts";

const MEDIUM = 65_536;
const LARGE = 262_144;
const HUGE = 1_048_576;

/** Reads that fill the buffers as `fills` says; the length of the buffer that each has found. */
function lengths(buffers: ReadBuffers, fills: readonly (number | "whole")[]): number[] {
  return fills.map((fill) => {
    const { length } = buffers.next();
    buffers.filled(fill === "whole" ? length : fill);
    return length;
  });
}

Deno.test("a buffer that was filled is followed by a larger one, up to the largest", () => {
  const buffers = new ReadBuffers(512);
  assert.deepEqual(lengths(buffers, Array(5).fill("whole")), [512, MEDIUM, LARGE, HUGE, HUGE]);
  buffers.release();
});

Deno.test("when little comes the connection is quiet again", () => {
  const buffers = new ReadBuffers(512);
  assert.deepEqual(lengths(buffers, ["whole", 60_000, "whole", 20_000, 100, 60, 511]), [
    512,
    MEDIUM,
    MEDIUM,
    LARGE,
    LARGE,
    512,
    512,
  ]);
  buffers.release();
});

Deno.test("only so many large buffers are lent, and those that are given back are lent again", () => {
  const flows = Array.from({ length: 17 }, () => new ReadBuffers(512));
  for (const flow of flows) lengths(flow, ["whole", "whole", "whole"]);
  assert.deepEqual(flows.map((flow) => flow.next().length), [...Array(16).fill(HUGE), LARGE]);
  flows[0]!.release();
  lengths(flows[16]!, ["whole"]);
  assert.equal(flows[16]!.next().length, HUGE);
  flows[1]!.lost();
  lengths(flows[0]!, ["whole", "whole", "whole"]);
  assert.equal(flows[0]!.next().length, HUGE);
  for (const flow of flows) flow.release();
});

Deno.test("a buffer that somebody else has now is not used again", () => {
  const buffers = new ReadBuffers(512);
  const first = buffers.next();
  buffers.lost();
  assert.notEqual(buffers.next(), first);
});

Deno.test("a small buffer that was given up serves the next connection that wants one of its length", () => {
  const [handshake, next, other] = [new ReadBuffers(2048), new ReadBuffers(2048), new ReadBuffers(2048)];
  const first = handshake.next();
  handshake.quiet(512);
  assert.equal(next.next(), first);
  assert.notEqual(other.next(), first);
  const quiet = handshake.next();
  assert.equal(quiet.length, 512);
  handshake.release();
  next.quiet(512);
  assert.equal(next.next(), quiet);
  // Not while somebody else has it.
  next.lost();
  other.quiet(512);
  assert.notEqual(other.next(), quiet);
});
