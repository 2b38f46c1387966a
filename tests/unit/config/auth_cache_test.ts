import assert from "node:assert/strict";
import { authCache } from "../../../src/config/auth_cache.ts";
import { readAs } from "./reading.ts";

Deno.test("auth_http_cache reads a size and times", () => {
  const rows = [
    ["max=100", { max: 100, accepted: 60_000, refused: 5_000 }, "max=100 accepted=1m refused=5s"],
    [
      "refused=0 max=1 accepted=1h",
      { max: 1, accepted: 3_600_000, refused: 0 },
      "max=1 accepted=1h refused=0s",
    ],
  ] as const;
  for (const [text, expected, printed] of rows) {
    const { value, problems } = readAs(authCache, JSON.stringify(text));
    assert.deepEqual(problems, []);
    assert.deepEqual(value, expected);
    assert.equal(value && authCache.print(value), printed);
  }
});

Deno.test("auth_http_cache says what is wrong with it", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["accepted=1m", /expected the size of the cache and times, such as "max=10000/],
    ["on", /expected the size of the cache/],
    ["max=1 size=2", /expected the size of the cache/],
    ["max=0", /expected max=N from 1 to 1000000, found "max=0"/],
    ["max=1 refused=2m", /expected refused=TIME of at most 1m, found "refused=2m"/],
    ["max=1 accepted=2d", /expected accepted=TIME of at most 24h, found "accepted=2d"/],
  ];
  for (const [text, expected] of rows) assert.match(readAs(authCache, text).problems.join(), expected, text);
});
