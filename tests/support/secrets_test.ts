import assert from "node:assert/strict";
import { Secrets } from "./secrets.ts";

const PASSWORD = 'p@ss "wörd"+/=';
/** As byte string, which is how the wire has it. */
const SPOKEN = String.fromCharCode(...new TextEncoder().encode(PASSWORD));

/** Texts in which the password came to light. */
const LEAKS: Readonly<Record<string, string>> = {
  "as it is": `login failed: ${PASSWORD}.`,
  "octet for octet": `"${SPOKEN}"`,
  "in JSON": JSON.stringify({ msg: `said ${PASSWORD}` }),
  "in base64": btoa(SPOKEN),
  "in a PLAIN response": btoa(`\0alice\0${SPOKEN}`),
  "in another PLAIN response": btoa(`admin\0bob\0${SPOKEN}`),
  "in one more": btoa(`\0al\0${SPOKEN}`),
  "percent-encoded": encodeURIComponent(PASSWORD),
  "in xtext": 'p@ss+20"w+C3+B6rd"+2B/+3D',
  "in hexadecimal": Array.from(SPOKEN, (octet) => octet.charCodeAt(0).toString(16).padStart(2, "0")).join(""),
};

for (const [how, text] of Object.entries(LEAKS)) {
  Deno.test(`a password is found ${how}`, () => {
    const secrets = new Secrets();
    assert.deepEqual(secrets.foundIn(text), []);
    secrets.speak(SPOKEN);
    assert.notDeepEqual(secrets.foundIn(`{"a":1}\n${text}\n`), []);
    assert.deepEqual(secrets.foundIn("login failed: p@ss"), []);
  });
}

Deno.test("what is secret in a response is found, and so is the response", () => {
  const rows: readonly (readonly [response: string, secret: string])[] = [
    [btoa("\0alice\0opensesame"), "opensesame"],
    [btoa("user=alice\x01auth=Bearer to.ken.123\x01\x01"), "to.ken.123"],
    [btoa("n,a=alice,\x01host=x\x01auth=Bearer to.ken.123\x01\x01"), "to.ken.123"],
    ["!!!garbage", "!!!garbage"],
  ];
  for (const [response, secret] of rows) {
    const secrets = new Secrets();
    secrets.speakResponse(response);
    assert.equal(secrets.foundIn(`x ${secret} y`).length > 0, true, secret);
    assert.equal(secrets.foundIn(`client said AUTH ${response}`).length > 0, true, secret);
    assert.deepEqual(secrets.foundIn("alice signed in"), []);
  }
});

Deno.test("Auth-Pass of requests and answers is secret, with its escapes and without", () => {
  const secrets = new Secrets();
  secrets.speakHeaders("GET / HTTP/1.0\r\nAuth-User: alice\r\nAuth-Pass: open%20ses%25ame\r\n\r\n");
  for (const text of ["open%20ses%25ame", "open ses%ame"]) {
    assert.notDeepEqual(secrets.foundIn(text), [], text);
  }
  assert.deepEqual(secrets.foundIn("Auth-Pass: alice"), []);
});
