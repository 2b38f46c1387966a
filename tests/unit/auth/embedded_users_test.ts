import assert from "node:assert/strict";
import { EmbeddedUsers } from "../../../src/auth/embedded_users.ts";
import { hashPassword } from "../../../src/auth/scrypt_hash.ts";
import { encodeLatin1, encodeUtf8AsByteString } from "../../../src/bytes/latin1.ts";
import type { AuthMethod } from "../../../src/ports/auth_backend.ts";
import { question } from "./questions.ts";

const never = new AbortController().signal;
const jane = encodeUtf8AsByteString("jané");
const password = encodeUtf8AsByteString("pässwörd");
const upstream = [{ kind: "tcp", host: "192.0.2.1", port: 25 }] as const;
let made: EmbeddedUsers | null = null;

/** The same users for all tests, made within the first one. */
async function madeUsers(): Promise<EmbeddedUsers> {
  if (made !== null) return made;
  const password_hash = await hashPassword(encodeLatin1(password));
  return made = new EmbeddedUsers([
    { name: "bob", password_hash, upstream: [{ kind: "unix", path: "/bob" }] },
    { name: jane, password_hash, upstream },
  ]);
}

Deno.test("EmbeddedUsers accepts the right password and names the user's upstream", async () => {
  const users = await madeUsers();
  assert.deepEqual(await users.ask(question({ user: jane, secret: password }), never), {
    kind: "accepted",
    upstreams: upstream,
    user: null,
    secret: null,
    choices: { tls: null, auth: null, xclient: null, proxyProtocol: null },
  });
});

const wrong = [
  { name: "a wrong password", user: jane, secret: "nonsense" },
  { name: "an empty password", user: jane, secret: "" },
  { name: "an unknown user with a password that another one has", user: "eve", secret: password },
  { name: "a user in another case", user: "BOB", secret: password },
  { name: "a name that every object has", user: "constructor", secret: password },
  { name: "no user", user: "", secret: password },
];
for (const { name, user, secret } of wrong) {
  Deno.test(`EmbeddedUsers refuses ${name}, after a wait`, async () => {
    assert.deepEqual(await (await madeUsers()).ask(question({ user, secret }), never), {
      kind: "refused",
      text: "Authentication failed",
      code: "535 5.7.8",
      waitMs: 2000,
      saslChallenge: null,
    });
  });
}

const methods: readonly (readonly [AuthMethod, string, string])[] = [
  ["none", "530 5.7.1", "Authentication required"],
  ["external", "504 5.5.4", "Authentication mechanism not available"],
  ["cram-md5", "504 5.5.4", "Authentication mechanism not available"],
  ["xoauth2", "504 5.5.4", "Authentication mechanism not available"],
  ["oauthbearer", "504 5.5.4", "Authentication mechanism not available"],
];
for (const [method, code, text] of methods) {
  Deno.test(`EmbeddedUsers refuses method ${method} even with the right password`, async () => {
    assert.deepEqual(
      await (await madeUsers()).ask(question({ method, user: jane, secret: password }), never),
      {
        kind: "refused",
        text,
        code,
        waitMs: null,
        saslChallenge: null,
      },
    );
  });
}

Deno.test("EmbeddedUsers answers many questions at once, each its own", async () => {
  const users = await madeUsers();
  const secrets = Array.from({ length: 10 }, (_, index) => index % 2 === 0 ? password : "nonsense");
  const answers = await Promise.all(
    secrets.map((secret) => users.ask(question({ user: "bob", secret }), never)),
  );
  assert.deepEqual(
    answers.map((answer) => answer.kind),
    secrets.map((secret) => secret === password ? "accepted" : "refused"),
  );
});

Deno.test("EmbeddedUsers answers aborted to a session that has ended", async () => {
  const answer = await (await madeUsers()).ask(
    question({ user: jane, secret: password }),
    AbortSignal.abort(),
  );
  assert.equal(answer.kind === "failed" && answer.code, "aborted");
});

Deno.test("EmbeddedUsers refuses a malformed hash and an empty list, without showing the hash", () => {
  assert.throws(() => new EmbeddedUsers([]), /at least one/);
  assert.throws(
    () => new EmbeddedUsers([{ name: "bob", password_hash: "plain-secret", upstream }]),
    (error) =>
      error instanceof TypeError && /"bob"/.test(error.message) && !/plain-secret/.test(error.message),
  );
});
