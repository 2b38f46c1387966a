import assert from "node:assert/strict";
import { median, pairedRatio, percentile } from "../../../scripts/bench/statistics.ts";

for (
  const [values, expected] of [[[3], 3], [[3, 1, 2], 2], [[4, 1, 3, 2], 2.5], [[10, 9, 100], 10]] as const
) {
  Deno.test(`median() of ${values.join(", ")} is ${expected}`, () => {
    assert.equal(median(values), expected);
  });
}

Deno.test("median() leaves the values in their order", () => {
  const values = [3, 1, 2];
  median(values);
  assert.deepEqual(values, [3, 1, 2]);
});

const HUNDRED = Array.from({ length: 100 }, (_, i) => i + 1);

for (
  const { values, percent, expected } of [
    { values: HUNDRED, percent: 50, expected: 50 },
    { values: HUNDRED, percent: 99, expected: 99 },
    { values: HUNDRED, percent: 100, expected: 100 },
    { values: HUNDRED, percent: 0, expected: 1 },
    { values: [7], percent: 99, expected: 7 },
    { values: [1, 2, 3], percent: 50, expected: 2 },
    { values: [1, 2, 3], percent: 99, expected: 3 },
  ]
) {
  Deno.test(`percentile() answers ${expected} for ${percent} % of ${values.length} values`, () => {
    assert.equal(percentile(values, percent), expected);
  });
}

Deno.test("median() and percentile() refuse to make a number of nothing", () => {
  assert.throws(() => median([]), RangeError);
  assert.throws(() => percentile([], 50), RangeError);
});

Deno.test("pairedRatio() compares within the pairs, whatever the machine did between them", () => {
  // The machine is ten times slower during the last pair: the ratio of the medians would be 1.
  assert.deepEqual(pairedRatio([1, 2, 20], [2, 4, 10]), { median: 0.5, least: 0.5, greatest: 2 });
});

Deno.test("pairedRatio() refuses values that are no pairs", () => {
  assert.throws(() => pairedRatio([1, 2], [1]), RangeError);
});
