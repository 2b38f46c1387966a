import assert from "node:assert/strict";
import { REPEATED, repeatsSecret, withoutSecret } from "../../../src/driver/secret_echo.ts";

const LINE = "AGFkYQBodW50ZXIyMg==";

const CASES: readonly [text: string, secrets: readonly string[], repeats: boolean][] = [
  [`500 5.5.1 Command unrecognized: "AUTH PLAIN ${LINE}"`, [LINE], true],
  [`500 5.5.1 Command unrecognized: "AUTH PLAIN AGFkYQBo..."`, [LINE], true],
  [`500 AUTH PLAIN ${LINE.toUpperCase()}`, [LINE], true],
  ["535 5.7.8 Error: authentication failed", [LINE], false],
  ["535 5.7.8 no: AGFkYQB", [LINE], false],
  ["535 wrong password 'hunter2'", [LINE, "hunter2"], true],
  ["535 5.7.8 no", ["5.7"], false],
  ["535 5.7.8 no", [""], false],
  ["", [LINE], false],
];

for (const [text, secrets, repeats] of CASES) {
  Deno.test(`repeatsSecret() says ${repeats} to ${JSON.stringify(text)} for ${secrets}`, () => {
    assert.equal(repeatsSecret(text, secrets), repeats);
  });
}

Deno.test("what an auth service says is shown, unless it repeats the password", () => {
  const rows: readonly (readonly [text: string, secret: string, shown: string])[] = [
    ["Invalid login", "hunter22", "Invalid login"],
    ["hunter22 is wrong", "hunter22", REPEATED],
    ["plain|alice|p%25w%0D%0Ax", "p%w\r\nx", REPEATED],
    ["100% wrong", "hunter22", "100% wrong"],
    ["Invalid login", "", "Invalid login"],
  ];
  for (const [text, secret, shown] of rows) assert.equal(withoutSecret(text, secret), shown, text);
});
