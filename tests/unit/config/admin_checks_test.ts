import assert from "node:assert/strict";
import { loadBad, loadGood } from "./reading.ts";

const TOKEN = "0123456789abcdef";

function withAdmin(...lines: string[]): string {
  const directives = lines.map((line) => `  ${line}\n`).join("");
  return `mail:\n${directives}  auth_http: 127.0.0.1:9000\n  servers:\n    - listen: 127.0.0.1:25\n`;
}

for (const address of ["127.0.0.1:9025", "127.9.9.9:9025", "[::1]:9025", "unix:/run/admin.sock", "off"]) {
  Deno.test(`admin_listen ${address} needs no token`, () => {
    loadGood(withAdmin(`admin_listen: "${address}"`));
  });
}

for (const address of ["0.0.0.0:9025", "*:9025", "[::]:9025", "192.0.2.1:9025", "[::ffff:127.0.0.1]:9025"]) {
  Deno.test(`admin_listen ${address} is refused without a token`, () => {
    const [problem, ...others] = loadBad(withAdmin(`admin_listen: "${address}"`));
    assert.match(
      problem!,
      /^postern\.yaml:2:17: mail\.admin_listen: other hosts reach this address: .*admin_token/,
    );
    assert.deepEqual(others, []);
    loadGood(withAdmin(`admin_listen: "${address}"`, "admin_token_file: t"), { t: `${TOKEN}\n` });
  });
}

for (
  const [text, fault] of [
    [undefined, "no such file"],
    ["", "it must have at least 16 characters"],
    ["short", "it must have at least 16 characters"],
    ["two words of a secret", "it must be one line of visible ASCII characters"],
    [`${TOKEN}\n${TOKEN}`, "it must be one line of visible ASCII characters"],
  ] as const
) {
  Deno.test(`a token file with ${JSON.stringify(text)} cannot be used: ${fault}`, () => {
    assert.deepEqual(loadBad(withAdmin("admin_token_file: t"), text === undefined ? {} : { t: text }), [
      `postern.yaml:2:21: mail.admin_token_file: "t" cannot be used: ${fault}`,
    ]);
  });
}
