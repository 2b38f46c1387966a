import assert from "node:assert/strict";
import { failureLabel } from "../../../src/driver/upstream_stage.ts";
import { UPSTREAM_PHASES } from "../../../src/session/upstream_phases.ts";

function failure(stage: string, code: string, replyCode: number | null = null) {
  const text = `${replyCode} no\r\n`;
  const reply = replyCode === null ? null : { code: replyCode, lines: [text], text };
  return { kind: "failed", stage, code, message: "", reply } as unknown as Parameters<typeof failureLabel>[0];
}

Deno.test("failureLabel() has a name for every phase of the dialogue", () => {
  for (const { doing } of Object.values(UPSTREAM_PHASES)) {
    assert.notEqual(failureLabel(failure(doing, "timeout")), "other|timeout", doing);
  }
});

const rows: readonly [stage: string, code: string, reply: number | null, label: string][] = [
  ["connecting to upstream", "refused", null, "connect|refused"],
  ["sending AUTH to upstream", "refused", 535, "auth|5xx"],
  ["sending MAIL FROM to upstream", "refused", 451, "mail|4xx"],
  ["reading response from upstream", "refused", 250, "greeting|unexpected_reply"],
  ["something else", "closed", null, "other|closed"],
];

for (const [stage, code, reply, label] of rows) {
  Deno.test(`failureLabel() says ${label}`, () => {
    assert.equal(failureLabel(failure(stage, code, reply)), label);
  });
}
