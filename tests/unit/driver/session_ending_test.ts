import assert from "node:assert/strict";
import { SessionEnding } from "../../../src/driver/session_ending.ts";

Deno.test("whoever listens is told once of the end, in order, unless he has left", () => {
  const ending = new SessionEnding();
  const told: string[] = [];
  const listeners = ["first", "left", "second"].map((name) => () => void told.push(name));
  for (const listener of [...listeners, listeners[0]!]) ending.addEventListener("abort", listener);
  ending.removeEventListener("abort", listeners[1]!);
  ending.removeEventListener("abort", () => {});
  assert.equal(ending.aborted, false);
  for (let time = 0; time < 2; time++) ending.abort();
  assert.equal(ending.aborted, true);
  ending.addEventListener("abort", listeners[2]!);
  ending.abort();
  assert.deepEqual(told, ["first", "second"]);
});

Deno.test("a listener that leaves while others are told hears nothing, and the rest do", () => {
  const ending = new SessionEnding();
  const told: string[] = [];
  const second = () => void told.push("second");
  ending.addEventListener("abort", () => {
    told.push("first");
    ending.removeEventListener("abort", second);
  });
  ending.addEventListener("abort", second);
  ending.addEventListener("abort", () => void told.push("third"));
  ending.abort();
  assert.deepEqual(told, ["first", "third"]);
});
