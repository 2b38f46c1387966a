import assert from "node:assert/strict";
import { replaceBetween } from "../../../scripts/generate.ts";

const rows: readonly { name: string; text: string; expected: string | null }[] = [
  {
    name: "replaces what stands between the marks",
    text: "a\nB\nold\nE\nz\n",
    expected: "a\nB\nnew\nE\nz\n",
  },
  { name: "fills marks that follow each other", text: "B\nE\n", expected: "B\nnew\nE\n" },
  { name: "leaves an end mark alone that comes first", text: "E\nB\nold\nE\n", expected: "E\nB\nnew\nE\n" },
  { name: "answers null without a begin", text: "a\nE\n", expected: null },
  { name: "answers null without an end", text: "a\nB\n", expected: null },
  { name: "answers null for no text", text: "", expected: null },
];

for (const { name, text, expected } of rows) {
  Deno.test(`replaceBetween() ${name}`, () => {
    assert.equal(replaceBetween(text, "B", "E", "new\n"), expected);
  });
}
