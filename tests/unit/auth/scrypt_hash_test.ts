import assert from "node:assert/strict";
import { hashPassword, parseScryptHash, verifyPassword } from "../../../src/auth/scrypt_hash.ts";
import { encodeBase64 } from "../../../src/bytes/base64.ts";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";

/** `$scrypt$` text with 4 KiB of costs, unless said otherwise. */
function hashText(changes: { costs?: string; salt?: string; hash?: string } = {}): string {
  const { costs = "ln=2,r=8,p=1", salt = "s".repeat(16), hash = "h".repeat(32) } = changes;
  return `$scrypt$${costs}$${unpadded(salt)}$${unpadded(hash)}`;
}

function unpadded(text: string): string {
  return encodeBase64(text).replaceAll("=", "");
}

Deno.test("verifyPassword() agrees with the test vector of RFC 7914 §12", async () => {
  const expected = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2" +
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887";
  const octets = expected.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
  const hash = parseScryptHash(hashText({ costs: "ln=14,r=8,p=1", salt: "SodiumChloride", hash: octets }));
  assert.ok(hash !== null);
  assert.equal(await verifyPassword(hash, encodeLatin1("pleaseletmein")), true);
  assert.equal(await verifyPassword(hash, encodeLatin1("pleaseletmeim")), false);
});

Deno.test("hashPassword() writes the PHC form with a new salt, and verifyPassword() knows it", async () => {
  const password = encodeLatin1("p\xc3\xa4ss w\0rd");
  const [first, second] = await Promise.all([hashPassword(password), hashPassword(password)]);
  assert.match(first, /^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(first, second);
  const hash = parseScryptHash(first);
  assert.ok(hash !== null);
  assert.equal(await verifyPassword(hash, password), true);
  assert.equal(await verifyPassword(hash, encodeLatin1("")), false);
});

const texts = [
  { name: "a usual hash", text: hashText(), valid: true },
  { name: "the largest memory", text: hashText({ costs: "ln=18,r=8,p=16" }), valid: true },
  { name: "more memory than allowed", text: hashText({ costs: "ln=19,r=8,p=1" }), valid: false },
  { name: "an enormous cost", text: hashText({ costs: "ln=99,r=1,p=1" }), valid: false },
  { name: "too many lanes", text: hashText({ costs: "ln=2,r=8,p=17" }), valid: false },
  { name: "zero r", text: hashText({ costs: "ln=2,r=0,p=1" }), valid: false },
  { name: "zero p", text: hashText({ costs: "ln=2,r=8,p=0" }), valid: false },
  { name: "zero ln", text: hashText({ costs: "ln=0,r=8,p=1" }), valid: false },
  { name: "other order of costs", text: hashText({ costs: "r=8,ln=2,p=1" }), valid: false },
  { name: "a short salt", text: hashText({ salt: "1234567" }), valid: false },
  { name: "a short hash", text: hashText({ hash: "123456789012345" }), valid: false },
  { name: "a long hash", text: hashText({ hash: "x".repeat(65) }), valid: false },
  { name: "padding", text: hashText() + "=", valid: false },
  { name: "another algorithm", text: hashText().replace("scrypt", "argon2id"), valid: false },
  { name: "a line end", text: hashText() + "\n", valid: false },
  { name: "nothing", text: "", valid: false },
];
for (const { name, text, valid } of texts) {
  Deno.test(`parseScryptHash() ${valid ? "takes" : "refuses"} ${name}`, () => {
    assert.equal(parseScryptHash(text) !== null, valid);
  });
}

Deno.test("verifyPassword() works with the largest costs that parse", async () => {
  const hash = parseScryptHash(hashText({ costs: "ln=18,r=8,p=1" }));
  assert.ok(hash !== null);
  assert.equal(await verifyPassword(hash, encodeLatin1("x")), false);
});
