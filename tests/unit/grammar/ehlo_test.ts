import assert from "node:assert/strict";
import { parseEhlo } from "../../../src/grammar/ehlo.ts";

function parse(...lines: string[]): Record<string, readonly string[]> {
  return Object.fromEntries(parseEhlo(lines));
}

Deno.test("parseEhlo() reads keywords and parameters behind the greeting", () => {
  assert.deepEqual(parse("mx.example Hello SIZE 5"), {});
  assert.deepEqual(
    parse("mx.example", "SIZE 52428800", "starttls", "Auth plain LOGIN", "XCLIENT NAME  ADDR "),
    {
      SIZE: ["52428800"],
      STARTTLS: [],
      AUTH: ["plain", "LOGIN"],
      XCLIENT: ["NAME", "ADDR"],
    },
  );
});

Deno.test("parseEhlo() takes AUTH= for AUTH and puts both together", () => {
  assert.deepEqual(parse("mx", "AUTH=LOGIN PLAIN"), { AUTH: ["LOGIN", "PLAIN"] });
  assert.deepEqual(parse("mx", "AUTH PLAIN", "auth=PLAIN LOGIN"), { AUTH: ["PLAIN", "LOGIN"] });
});

Deno.test("parseEhlo() passes over lines that are no ehlo-line", () => {
  assert.deepEqual(
    parse("mx", "", " SIZE 1", "-X", "S\xcfZE", "\xdf", "SIZE=5", "8BITMIME", "__proto__ x", "A\tb"),
    {
      "8BITMIME": [],
    },
  );
});
