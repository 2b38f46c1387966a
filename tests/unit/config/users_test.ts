import assert from "node:assert/strict";
import { users } from "../../../src/config/users.ts";
import { readAs } from "./reading.ts";

const HASH = "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo";

Deno.test("users reads names as UTF-8 octets, hashes and mail servers", () => {
  const { value, problems } = readAs(
    users,
    `[{name: jürgen, password_hash: ${JSON.stringify(HASH)}, upstream: "mx:25"}]`,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(value, [{
    name: "j\xc3\xbcrgen",
    password_hash: HASH,
    upstream: [{ kind: "tcp", host: "mx", port: 25 }],
  }]);
  assert.deepEqual(value && users.print(value), [{
    name: "jürgen",
    password_hash: "***",
    upstream: "mx:25",
  }]);
});

Deno.test("users reads several mail servers of one login, in their order", () => {
  const { value, problems } = readAs(
    users,
    `[{name: a, password_hash: ${JSON.stringify(HASH)}, upstream: ["mx:25", "unix:/run/mx"]}]`,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(value?.[0]?.upstream, [
    { kind: "tcp", host: "mx", port: 25 },
    { kind: "unix", path: "/run/mx" },
  ]);
  const printed = value && users.print(value);
  assert.deepEqual(printed, [{ name: "a", password_hash: "***", upstream: ["mx:25", "unix:/run/mx"] }]);
});

Deno.test("users says what is wrong with an entry, and shows no hash", () => {
  const user = (hash: string) => `[{name: a, upstream: "mx:25", password_hash: ${JSON.stringify(hash)}}]`;
  const rows: readonly (readonly [string, RegExp])[] = [
    ["[]", /found an empty list/],
    ["off", /expected a list of users/],
    ["[5]", /expected a user with name, password_hash, upstream, found "5"/],
    [`[{name: a, upstream: "mx:25"}]`, /"password_hash" is missing/],
    [
      `[{nmae: a, password_hash: "${HASH}", upstream: "mx:25"}]`,
      /unknown key "nmae" of a user: did you mean "name"\?/,
    ],
    [user("hunter2"), /expected a hash as "postern hash-password" prints it/],
    [user(HASH.replace("15", "30")), /out of bounds/],
    [user(HASH.replace("p=1", "p=17")), /out of bounds/],
    [`[{name: "a\\nb", password_hash: "${HASH}", upstream: "mx:25"}]`, /expected a login name/],
    [`[{name: a, password_hash: "${HASH}", upstream: mx}]`, /expected an address such as/],
    [`[{name: a, password_hash: "${HASH}", upstream: []}]`, /found an empty list/],
    [
      `- {name: a, password_hash: "${HASH}", upstream: "mx:25"}\n- {name: a, password_hash: "${HASH}", upstream: "mx:26"}`,
      /the user "a" was already given in line 1/,
    ],
  ];
  for (const [text, expected] of rows) {
    const { value, problems } = readAs(users, text);
    assert.equal(value, undefined, text);
    assert.ok(problems.some((problem) => expected.test(problem)), `${text}: ${problems.join("; ")}`);
    assert.ok(!problems.join().includes("hunter2") && !problems.join().includes("aGFza"), text);
  }
});
