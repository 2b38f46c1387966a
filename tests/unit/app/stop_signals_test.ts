import assert from "node:assert/strict";
import { type StopOrder, type StopSignal, StopSignals } from "../../../src/app/stop_signals.ts";

const CASES: readonly [name: string, heard: readonly [at: number, StopSignal, StopOrder][]][] = [
  ["a Ctrl-C that comes twice is one", [[0, "SIGINT", "stop"], [2, "SIGINT", "nothing"]]],
  ["a SIGTERM that comes twice is one", [[70, "SIGTERM", "stop"], [569, "SIGTERM", "nothing"]]],
  ["the same signal later cuts", [[0, "SIGINT", "stop"], [2, "SIGINT", "nothing"], [500, "SIGINT", "cut"]]],
  ["another signal cuts at once", [[0, "SIGINT", "stop"], [1, "SIGTERM", "cut"]]],
  ["SIGQUIT waits, however often it comes", [[0, "SIGQUIT", "quit"], [900, "SIGQUIT", "nothing"]]],
  ["SIGQUIT takes no grace away", [[0, "SIGTERM", "stop"], [900, "SIGQUIT", "nothing"]]],
  ["SIGTERM cuts what SIGQUIT waits for", [[0, "SIGQUIT", "quit"], [1, "SIGTERM", "cut"]]],
];

for (const [name, heard] of CASES) {
  Deno.test(`StopSignals: ${name}`, () => {
    let now = 0;
    const signals = new StopSignals(() => now);
    for (const [at, signal, order] of heard) {
      now = at;
      assert.equal(signals.hear(signal), order, `${signal} at ${at} ms`);
    }
  });
}
