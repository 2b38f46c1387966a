import assert from "node:assert/strict";
import {
  BufferPool,
  CLIENT_OCTETS,
  HUGE_OCTETS,
  LARGE_OCTETS,
  MEDIUM_OCTETS,
  REPLY_OCTETS,
  SMALL_OCTETS,
} from "../../../src/driver/buffer_pool.ts";

for (
  const [octets, take] of [
    [CLIENT_OCTETS, (pool: BufferPool) => pool.take(CLIENT_OCTETS)],
    [REPLY_OCTETS, (pool: BufferPool) => pool.take(REPLY_OCTETS)],
    [SMALL_OCTETS, (pool: BufferPool) => pool.take(SMALL_OCTETS)],
    [LARGE_OCTETS, (pool: BufferPool) => pool.takeFlow()!],
  ] as const
) {
  Deno.test(`BufferPool lends buffers of ${octets} octets again, none to two at a time, and keeps only so many`, () => {
    const pool = new BufferPool(2);
    const lent = [take(pool), take(pool), take(pool)];
    assert.deepEqual(lent.map((buffer) => buffer.length), [octets, octets, octets]);
    assert.equal(new Set(lent).size, 3);
    for (const buffer of lent) pool.give(buffer);
    const again = [take(pool), take(pool), take(pool)];
    assert.equal(new Set(again).size, 3);
    assert.equal(again.filter((buffer) => lent.includes(buffer)).length, 2);
  });
}

Deno.test("BufferPool lends smaller flow buffers when the large ones are out, and then none", () => {
  const pool = new BufferPool();
  const lent: Uint8Array[] = [];
  for (let buffer = pool.takeFlow(); buffer !== null; buffer = pool.takeFlow()) lent.push(buffer);
  assert.equal(lent.filter((buffer) => buffer.length === LARGE_OCTETS).length, 64);
  assert.equal(lent.filter((buffer) => buffer.length === MEDIUM_OCTETS).length, 1024);
  pool.give(lent[70]!);
  assert.equal(pool.takeFlow()?.length, MEDIUM_OCTETS);
  assert.equal(pool.takeFlow(), null);
  pool.give(lent[0]!);
  assert.equal(pool.takeFlow()?.length, LARGE_OCTETS);
});

Deno.test("BufferPool exchanges a large flow buffer for a huge one while there are such", () => {
  const pool = new BufferPool();
  const flows = Array.from({ length: 17 }, () => pool.exchangeFlow(pool.takeFlow()!));
  assert.deepEqual(flows.map(({ length }) => length), [...Array(16).fill(HUGE_OCTETS), LARGE_OCTETS]);
  pool.give(flows[0]!);
  assert.equal(pool.exchangeFlow(flows[16]!).length, HUGE_OCTETS);
});

Deno.test("BufferPool does not exchange what is huge or medium, and counts what was exchanged as given back", () => {
  const pool = new BufferPool();
  const huge = pool.exchangeFlow(pool.takeFlow()!);
  assert.equal(pool.exchangeFlow(huge), huge);
  const lent: Uint8Array[] = [];
  for (let buffer = pool.takeFlow(); buffer !== null; buffer = pool.takeFlow()) lent.push(buffer);
  assert.equal(lent.filter(({ length }) => length === LARGE_OCTETS).length, 64);
  const medium = lent.at(-1)!;
  assert.equal(pool.exchangeFlow(medium), medium);
});
