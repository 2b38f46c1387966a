import assert from "node:assert/strict";
import type { Log, LogLevel } from "../../../src/ports/telemetry.ts";
import { composeLogs } from "../../../src/telemetry/composed_log.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "error"];

function logOf(least: LogLevel): Log & { readonly events: string[] } {
  const events: string[] = [];
  return {
    events,
    enabled: (level) => LEVELS.indexOf(level) >= LEVELS.indexOf(least),
    event: (level, event) => void events.push(`${level} ${event}`),
  };
}

Deno.test("composeLogs() gives every event to each log, and is enabled where one of them is", () => {
  const [quiet, loud] = [logOf("error"), logOf("info")];
  const log = composeLogs([quiet, loud]);
  assert.deepEqual(LEVELS.map((level) => log.enabled(level)), [false, true, true]);
  log.event("info", "a", "m", null, { n: 1 });
  assert.deepEqual([quiet.events, loud.events], [["info a"], ["info a"]]);
});

Deno.test("composeLogs() of one log is that log, and of none is never enabled", () => {
  const only = logOf("info");
  assert.equal(composeLogs([only]), only);
  assert.equal(composeLogs([]).enabled("emerg"), false);
});
