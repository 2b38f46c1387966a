import assert from "node:assert/strict";
import { readBdat } from "../../../src/grammar/relayed_command.ts";

const ROWS: readonly (readonly [string, ReturnType<typeof readBdat>])[] = [
  ["BDAT 0", { octets: 0, last: false }],
  ["BDAT 0 LAST", { octets: 0, last: true }],
  ["bdat 1000 last", { octets: 1000, last: true }],
  ["BDAT 86 LAST ", { octets: 86, last: true }],
  ["BDAT 2147483647", { octets: 2147483647, last: false }],
  // Some servers read these otherwise, and the chunk would end elsewhere.
  ["BDAT 2147483648", null],
  ["BDAT 4294967301 LAST", null],
  ["BDAT 99999999999 LAST", null],
  ["BDAT 010", null],
  ["BDAT +5", null],
  ["BDAT -1", null],
  ["BDAT 5.0", null],
  ["BDAT 0x10", null],
  ["BDAT 1e3", null],
  ["BDAT  5", null],
  ["BDAT 5  LAST", null],
  ["BDAT\t5", null],
  ["BDAT 5 LAST x", null],
  ["BDAT 5 LASTING", null],
  ["BDAT LAST", null],
  ["BDAT", null],
];

for (const [line, want] of ROWS) {
  Deno.test(`readBdat(${JSON.stringify(line)})`, () => assert.deepEqual(readBdat(line), want));
}
