import assert from "node:assert/strict";
import { type Bucket, drainedAt, pour } from "../../../src/limits/bucket.ts";
import type { Rate } from "../../../src/ports/limit_store.ts";

/** Moments of requests in milliseconds, and whether each is let through, as nginx 1.22 does with `nodelay`. */
const CASES: readonly (readonly [string, Omit<Rate, "key">, readonly (readonly [number, boolean])[]])[] = [
  ["one a second, none more at once", { count: 1, perMs: 1_000, burst: 0 }, [
    [0, true],
    [0, false],
    [999, false],
    [1_000, true],
    [1_999, false],
    [2_000, true],
    [9_000, true],
    [9_000, false],
  ]],
  ["what is refused does not fill the bucket", { count: 1, perMs: 1_000, burst: 1 }, [
    [0, true],
    [0, true],
    [0, false],
    [500, false],
    [999, false],
    [1_000, true],
    [1_000, false],
  ]],
  ["a burst is there again after its time", { count: 60, perMs: 60_000, burst: 2 }, [
    [0, true],
    [0, true],
    [0, true],
    [0, false],
    [2_000, true],
    [2_000, true],
    [2_000, false],
    [60_000, true],
    [60_000, true],
    [60_000, true],
    [60_000, false],
  ]],
  ["rates by the hour", { count: 10, perMs: 3_600_000, burst: 0 }, [
    [0, true],
    [359_999, false],
    [360_000, true],
  ]],
  ["a clock that is set back drains nothing", { count: 1, perMs: 1_000, burst: 0 }, [
    [5_000, true],
    [0, false],
    [5_999, false],
    [6_000, true],
  ]],
];

for (const [name, rate, requests] of CASES) {
  Deno.test(`pour(): ${name}`, () => {
    let bucket: Bucket | null = null;
    for (const [at, passes] of requests) {
      const next: Bucket | null = pour(bucket, { key: "", ...rate }, at);
      assert.equal(next !== null, passes, `at ${at}`);
      bucket = next ?? bucket;
    }
  });
}

Deno.test("drainedAt() tells from when on the bucket is as good as none", () => {
  const rate = { key: "", count: 2, perMs: 1_000, burst: 5 };
  let bucket = pour(null, rate, 0)!;
  for (let more = 0; more < 3; more++) bucket = pour(bucket, rate, 0)!;
  const at = drainedAt(bucket, rate);
  assert.equal(at, 2_000);
  assert.deepEqual(pour(bucket, rate, at), pour(null, rate, at));
  assert.notDeepEqual(pour(bucket, rate, at - 1), pour(null, rate, at - 1));
});
