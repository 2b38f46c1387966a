import assert from "node:assert/strict";
import { formatSize, formatTime, parseSize, parseTime } from "../../../src/config/units.ts";

const TIMES: readonly (readonly [string, number | null])[] = [
  ["0", 0],
  ["60", 60_000],
  ["60s", 60_000],
  ["250ms", 250],
  ["5m", 300_000],
  ["24h", 86_400_000],
  ["1d", 86_400_000],
  ["1w", 604_800_000],
  ["1M", 2_592_000_000],
  ["1y", 31_536_000_000],
  ["1m30s", 90_000],
  ["1m 30s", 90_000],
  ["1h30", 3_630_000],
  ["1s500ms", 1500],
  ["", null],
  ["sixty", null],
  ["s", null],
  ["-1s", null],
  ["1.5s", null],
  ["30s1m", null],
  ["1m1m", null],
  ["30 1m", null],
  ["1m ", null],
  ["1S", null],
  ["99999999999999999999s", null],
];

Deno.test("parseTime() reads nginx's times and nothing else", () => {
  for (const [text, expected] of TIMES) assert.equal(parseTime(text), expected, JSON.stringify(text));
});

Deno.test("formatTime() writes what parseTime() reads back", () => {
  for (const milliseconds of [0, 1, 250, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000, 604_800_001]) {
    assert.equal(parseTime(formatTime(milliseconds)), milliseconds);
  }
  assert.equal(formatTime(90_000), "90s");
  assert.equal(formatTime(86_400_000), "24h");
});

const SIZES: readonly (readonly [string, number | null])[] = [
  ["0", 0],
  ["512", 512],
  ["4k", 4096],
  ["4K", 4096],
  ["1m", 1_048_576],
  ["1M", 1_048_576],
  ["", null],
  ["k", null],
  ["4kb", null],
  ["1g", null],
  ["-4k", null],
  ["4 k", null],
  ["99999999999999999m", null],
];

Deno.test("parseSize() reads nginx's sizes and nothing else", () => {
  for (const [text, expected] of SIZES) assert.equal(parseSize(text), expected, JSON.stringify(text));
});

Deno.test("formatSize() writes what parseSize() reads back", () => {
  for (const octets of [0, 1, 512, 1000, 1024, 4096, 1_048_576, 1_049_600]) {
    assert.equal(parseSize(formatSize(octets)), octets);
  }
  assert.equal(formatSize(4096), "4k");
});
