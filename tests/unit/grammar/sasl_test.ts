import assert from "node:assert/strict";
import {
  formatOauthbearer,
  formatPlain,
  formatXoauth2,
  parseCramMd5,
  parseOauthbearer,
  parsePlain,
  parseXoauth2,
} from "../../../src/grammar/sasl.ts";

const DIGEST = "b913a602c7eda7a495b4e6e7334d3890";

Deno.test("parsePlain() drops the authorization identity and needs both NULs", () => {
  const table: readonly [decoded: string, expected: ReturnType<typeof parsePlain>][] = [
    ["\0alice\0secret", { user: "alice", secret: "secret" }],
    ["admin\0alice\0secret", { user: "alice", secret: "secret" }],
    ["\0\0", { user: "", secret: "" }],
    ["\0\0secret", { user: "", secret: "secret" }],
    ["\0alice\0", { user: "alice", secret: "" }],
    ["\0alice\0se\0cret", { user: "alice", secret: "se\0cret" }],
    ["\0j\xc3\xb6rg\0\xff", { user: "j\xc3\xb6rg", secret: "\xff" }],
    ["", null],
    ["\0", null],
    ["alice secret", null],
    ["\0alice", null],
  ];
  for (const [decoded, expected] of table) {
    assert.deepEqual(parsePlain(decoded), expected, JSON.stringify(decoded));
  }
});

Deno.test("parseCramMd5() splits at the first space and counts the digest", () => {
  assert.deepEqual(parseCramMd5(`tim ${DIGEST}`), { user: "tim", digest: DIGEST });
  assert.deepEqual(parseCramMd5(` ${DIGEST}`), { user: "", digest: DIGEST });
  assert.deepEqual(parseCramMd5(`tim ${"\xff".repeat(32)}`), { user: "tim", digest: "\xff".repeat(32) });
  for (
    const decoded of [
      "",
      "tim",
      `tim${DIGEST}`,
      `tim ${DIGEST}0`,
      `tim  ${DIGEST}`,
      `a tim ${DIGEST}`,
      "tim ",
    ]
  ) {
    assert.equal(parseCramMd5(decoded), null, decoded);
  }
});

Deno.test("parseXoauth2() wants one user and one bearer token", () => {
  const table: readonly [decoded: string, expected: ReturnType<typeof parseXoauth2>][] = [
    ["user=a@b.example\x01auth=Bearer ya29.vF9\x01\x01", { user: "a@b.example", token: "ya29.vF9" }],
    ["user=a\x01auth=bEARER t==\x01\x01", { user: "a", token: "t==" }],
    ["user=\x01auth=Bearer t\x01\x01", { user: "", token: "t" }],
    ["user=a=b\x01auth=Bearer  t\x01\x01", { user: "a=b", token: "t" }],
    ["", null],
    ["\x01", null],
    ["user=a\x01auth=Bearer t\x01", null],
    ["user=a\x01auth=Bearer t\x01\x01\x01", null],
    ["user=a\x01auth=Bearer t\x01x=y\x01\x01", null],
    ["user=a\x01auth=Bearer t\x01\x01x", null],
    ["User=a\x01auth=Bearer t\x01\x01", null],
    ["user=a\0b\x01auth=Bearer t\x01\x01", null],
    ["user=a\x01auth=Basic t\x01\x01", null],
    ["user=a\x01auth=Bearer\x01\x01", null],
    ["user=a\x01auth=Bearer \x01\x01", null],
    ["user=a\x01auth=Bearer t u\x01\x01", null],
    ["user=a\x01auth=Bearer t\r\n\x01\x01", null],
    ["user=a\x01auth=Bearer t\xff\x01\x01", null],
    ["auth=Bearer t\x01user=a\x01\x01", null],
  ];
  for (const [decoded, expected] of table) {
    assert.deepEqual(parseXoauth2(decoded), expected, JSON.stringify(decoded));
  }
});

Deno.test("parseOauthbearer() agrees with RFC 7628 §3.1 and §4", () => {
  const example =
    "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmT==\x01\x01";
  const table: readonly [decoded: string, expected: ReturnType<typeof parseOauthbearer>][] = [
    [example, { user: "user@example.com", token: "vF9dft4qmT==" }],
    ["n,,\x01auth=Bearer t\x01\x01", { user: "", token: "t" }],
    ["n,a=,\x01auth=Bearer t\x01\x01", { user: "", token: "t" }],
    ["y,a=u,\x01auth=BEARER t\x01\x01", { user: "u", token: "t" }],
    ["n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01", { user: "a,b=c", token: "t" }],
    ["n,a==3D2C,\x01auth=Bearer t\x01\x01", { user: "=2C", token: "t" }],
    ["n,a=j\xc3\xb6rg,\x01auth=Bearer t\x01\x01", { user: "j\xc3\xb6rg", token: "t" }],
    ["n,a=u,\x01auth=Bearer t\x01qs=a=b c\r\n\t\x01\x01", { user: "u", token: "t" }],
    ["", null],
    ["\x01", null],
    ["n,a=u,\x01\x01", null],
    ["n,a=u,\x01auth=Bearer t\x01", null],
    ["n,a=u,\x01auth=Bearer t", null],
    ["n,a=u\x01auth=Bearer t\x01\x01", null],
    ["n,u,\x01auth=Bearer t\x01\x01", null],
    ["n,a=u,x\x01auth=Bearer t\x01\x01", null],
    ["n,a=a=b,\x01auth=Bearer t\x01\x01", null],
    ["n,a=a=2c,\x01auth=Bearer t\x01\x01", null],
    ["n,a=a\0b,\x01auth=Bearer t\x01\x01", null],
    ["p=tls-unique,a=u,\x01auth=Bearer t\x01\x01", null],
    ["F,n,a=u,\x01auth=Bearer t\x01\x01", null],
    ["N,a=u,\x01auth=Bearer t\x01\x01", null],
    ["n,a=u,\x01auth=Bearer t\x01auth=Bearer v\x01\x01", null],
    ["n,a=u,\x01host=h\x01\x01", null],
    ["n,a=u,\x01auth=Bearer t\x01\x01\x01", null],
    ["n,a=u,\x01auth=Bearer t\x01ho st=x\x01\x01", null],
    ["n,a=u,\x01auth=Bearer t\x01host=\0\x01\x01", null],
    ["n,a=u,\x01auth=Bearer t\x01host\x01\x01", null],
    ["n,a=u,\x01auth=Basic t\x01\x01", null],
    ["n,a=u,\x01Auth=Bearer t\x01\x01", null],
  ];
  for (const [decoded, expected] of table) {
    assert.deepEqual(parseOauthbearer(decoded), expected, JSON.stringify(decoded));
  }
});

Deno.test("formatPlain(), formatXoauth2() and formatOauthbearer() write what the RFCs show", () => {
  assert.equal(formatPlain("tim", "tanstaaftanstaaf"), "\0tim\0tanstaaftanstaaf");
  assert.equal(formatXoauth2("a@b", "t=="), "user=a@b\x01auth=Bearer t==\x01\x01");
  assert.equal(
    formatOauthbearer("user@example.com", "vF9==", "server.example.com", 143),
    "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9==\x01\x01",
  );
  assert.equal(
    formatOauthbearer("a,b=c", "t", "h", 1),
    "n,a=a=2Cb=3Dc,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01",
  );
  assert.equal(formatOauthbearer("", "t", "h", 1), "n,,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01");
});

Deno.test("no login or token can add a part to a message", () => {
  assert.equal(formatPlain("admin\0guess", "x"), null);
  assert.equal(formatXoauth2("a\x01auth=Bearer stolen", "t"), null);
  assert.equal(formatXoauth2("a\0", "t"), null);
  for (const token of ["", "t\x01", "t u", "t\r\n", "\xff"]) {
    assert.equal(formatXoauth2("a", token), null);
    assert.equal(formatOauthbearer("a", token, "h", 1), null);
  }
  assert.equal(formatOauthbearer("a\x01", "t", "h", 1), null);
  assert.equal(formatOauthbearer("a\0", "t", "h", 1), null);
  assert.equal(formatOauthbearer("a", "t", "h\x01auth=Bearer x", 1), null);
});
