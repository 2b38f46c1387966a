import assert from "node:assert/strict";
import { ForgetfulTable } from "../../../src/limits/forgetful_table.ts";

Deno.test("ForgetfulTable forgets each value at its time", () => {
  const table = new ForgetfulTable<string>(10);
  table.set("a", "A", 100, 0);
  assert.equal(table.get("a", 99), "A");
  assert.equal(table.get("a", 100), null);
  assert.equal(table.size, 0);
});

Deno.test("ForgetfulTable forgets the least recently used value when it is full, and says so", () => {
  const table = new ForgetfulTable<number>(3);
  for (const [at, key] of ["a", "b", "c"].entries()) assert.equal(table.set(key, at, 1_000, 0), false);
  assert.equal(table.get("a", 0), 0);
  assert.equal(table.set("d", 3, 1_000, 0), true);
  assert.deepEqual(["a", "b", "c", "d"].map((key) => table.get(key, 0)), [0, null, 2, 3]);
});

Deno.test("ForgetfulTable lets what is over go before anything else", () => {
  const table = new ForgetfulTable<number>(3);
  table.set("a", 1, 10, 0);
  table.set("b", 2, 20, 0);
  table.set("c", 3, 1_000, 0);
  assert.equal(table.set("d", 4, 1_000, 20), false);
  assert.deepEqual([...table.values(20)], [3, 4]);
  assert.equal(table.size, 2);
});

Deno.test("ForgetfulTable keeps its bound", () => {
  const table = new ForgetfulTable<number>(100);
  let forgotten = 0;
  for (let key = 0; key < 1_000; key++) if (table.set(`${key}`, key, 1e9, key)) forgotten++;
  assert.deepEqual([table.size, forgotten], [100, 900]);
});
