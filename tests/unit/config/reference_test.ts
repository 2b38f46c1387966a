import assert from "node:assert/strict";
import { directives } from "../../../src/config/definitions.ts";
import { directiveTable } from "../../../src/config/reference.ts";
import { unsupportedDirectives } from "../../../src/config/unsupported.ts";

Deno.test("directiveTable() has a row of five cells for every directive", () => {
  const lines = directiveTable().trimEnd().split("\n");
  assert.equal(lines.length, directives.size + 2);
  for (const line of lines) assert.equal(line.replaceAll("\\|", "").split("|").length, 7, line);
  assert.ok(
    lines.includes(
      "| `max_errors` | `mail`, server | `5` | Number of protocol errors after which the " +
        "connection is closed. *0 is taken for 1, as in nginx. The guard of the relay counts unknown " +
        "commands anew.* | nginx |",
    ),
  );
});

Deno.test("every directive has one sentence of documentation", () => {
  for (const [name, { doc, note }] of directives) {
    assert.match(doc, /^[A-Z`].*\.$/, name);
    if (note !== undefined) assert.match(note, /\.$/, name);
  }
});

Deno.test("no directive is both known and unsupported", () => {
  assert.deepEqual(Object.keys(unsupportedDirectives).filter((name) => directives.has(name)), []);
});
