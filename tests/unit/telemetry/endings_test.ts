import assert from "node:assert/strict";
import { ENDINGS, endingSide, endingTable } from "../../../src/telemetry/endings.ts";
import type { SessionOutcome } from "../../../src/ports/telemetry.ts";

Deno.test("whoever ended the relay ended the session", () => {
  const rows: readonly (readonly [SessionOutcome, "client" | "upstream" | null, string])[] = [
    ["relayed", "client", "client"],
    ["relayed", "upstream", "upstream"],
    ["relay_lost", "upstream", "upstream"],
    ["relay_timeout", "client", "postern"],
    ["shutdown", "client", "postern"],
    ["quit", null, "client"],
    ["upstream_failed", null, "upstream"],
  ];
  for (const [outcome, endedBy, side] of rows) assert.equal(endingSide(outcome, endedBy), side, outcome);
});

Deno.test("README's list of endings has each of them with a sentence", () => {
  for (const [outcome, { meaning }] of Object.entries(ENDINGS)) {
    assert.match(meaning, /^[A-Z`].*\.$/, outcome);
    assert.ok(endingTable().includes(`| \`${outcome}\` |`), outcome);
  }
});
