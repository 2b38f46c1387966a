import assert from "node:assert/strict";
import { Permits } from "../../../src/auth/permits.ts";

const never = new AbortController().signal;

Deno.test("Permits.take() grants up to the limit at once and then in the order of asking", async () => {
  const permits = new Permits(1, 2);
  const granted: string[] = [];
  assert.equal(await permits.take(never), true);
  assert.equal(permits.tryTake(), false);
  const first = permits.take(never).then(() => granted.push("first"));
  const second = permits.take(never).then(() => granted.push("second"));
  assert.equal(permits.waiting, 2);
  permits.release();
  await first;
  assert.deepEqual(granted, ["first"]);
  permits.release();
  await second;
  permits.release();
  assert.equal(permits.tryTake(), true);
  assert.equal(permits.tryTake(), false);
});

Deno.test("Permits.take() answers false at once when the queue is full", async () => {
  const permits = new Permits(1, 1);
  await permits.take(never);
  const waiting = permits.take(never);
  assert.equal(await permits.take(never), false);
  permits.release();
  assert.equal(await waiting, true);
});

Deno.test("Permits.take() answers false when the signal aborts, and gives nothing away", async () => {
  const permits = new Permits(1, 2);
  const leaving = new AbortController();
  await permits.take(never);
  const left = permits.take(leaving.signal);
  const stays = permits.take(never);
  leaving.abort();
  assert.equal(await left, false);
  assert.equal(permits.waiting, 1);
  permits.release();
  assert.equal(await stays, true);
  permits.release();
  assert.equal(await permits.take(leaving.signal), false);
  assert.equal(permits.tryTake(), true);
});
