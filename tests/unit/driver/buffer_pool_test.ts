import assert from "node:assert/strict";
import { BufferPool, LARGE_OCTETS, SMALL_OCTETS } from "../../../src/driver/buffer_pool.ts";

for (
  const [size, octets, take, give] of [
    ["large", LARGE_OCTETS, (pool: BufferPool) => pool.takeLarge(), BufferPool.prototype.giveLarge],
    ["small", SMALL_OCTETS, (pool: BufferPool) => pool.takeSmall(), BufferPool.prototype.giveSmall],
  ] as const
) {
  Deno.test(`BufferPool lends ${size} buffers again, none to two at a time, and keeps only so many`, () => {
    const pool = new BufferPool(2);
    const lent = [take(pool), take(pool), take(pool)];
    assert.deepEqual(lent.map((buffer) => buffer.length), [octets, octets, octets]);
    assert.equal(new Set(lent).size, 3);
    for (const buffer of lent) give.call(pool, buffer);
    const again = [take(pool), take(pool), take(pool)];
    assert.equal(new Set(again).size, 3);
    assert.equal(again.filter((buffer) => lent.includes(buffer)).length, 2);
  });
}
