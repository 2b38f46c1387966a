import assert from "node:assert/strict";
import { limitStoreTarget } from "../../../src/config/limit_store_target.ts";
import { testCertificates } from "../../support/certificates.ts";
import { loadBad, loadGood, readAs } from "./reading.ts";

const REDIS = {
  kind: "redis",
  address: { kind: "tcp", host: "redis.test", port: 6379 },
  tls: false,
  user: null,
  password: null,
  database: 0,
};

const GOOD: readonly (readonly [text: string, value: unknown, printed: string])[] = [
  ["memory", { kind: "memory" }, "memory"],
  ["redis://redis.test", REDIS, "redis://redis.test:6379"],
  ["redis://redis.test/", REDIS, "redis://redis.test:6379"],
  [
    "rediss://[2001:db8::1]:7000/3",
    { ...REDIS, address: { kind: "tcp", host: "2001:db8::1", port: 7000 }, tls: true, database: 3 },
    "rediss://[2001:db8::1]:7000/3",
  ],
  ["redis://:p%40ss@redis.test", { ...REDIS, password: "p@ss" }, "redis://:***@redis.test:6379"],
  ["redis://ada:x@redis.test", { ...REDIS, user: "ada", password: "x" }, "redis://ada:***@redis.test:6379"],
  ["redis://ada@redis.test", { ...REDIS, user: "ada" }, "redis://ada@redis.test:6379"],
  [
    "unix:/run/redis.sock",
    { ...REDIS, address: { kind: "unix", path: "/run/redis.sock" } },
    "unix:/run/redis.sock",
  ],
];

for (const [text, value, printed] of GOOD) {
  Deno.test(`limit_store: ${text}`, () => {
    assert.deepEqual(readAs(limitStoreTarget, JSON.stringify(text)), { value, problems: [] });
    assert.equal(
      limitStoreTarget.print(limitStoreTarget.readText(text, { problem() {}, filePath: String }) as never),
      printed,
    );
  });
}

Deno.test("limit_store: what is none is refused, and a password in it is not shown", () => {
  for (
    const text of [
      "",
      "redis",
      "http://a",
      "redis://",
      "redis://a:0",
      "redis://a:x",
      "redis://:secret@a/b",
      "redis://:%E0%secret@a",
      "redis://a?x=y",
      "unix:relative",
    ]
  ) {
    const { value, problems } = readAs(limitStoreTarget, JSON.stringify(text));
    assert.equal(value, undefined, text);
    assert.equal(problems.length, 1, text);
    assert.doesNotMatch(problems[0]!, /secret/);
  }
});

const HEAD = "mail:\n  auth_http: 127.0.0.1:9\n";
const TAIL = "  servers:\n    - listen: 25\n";
const CA = (await testCertificates()).root.certificate;
const FILES = { "pw": "s3cret\n", "empty": "\n", "ca.pem": CA, "no.pem": "nothing" };

const CONFLICTS: readonly (readonly [string, string, RegExp])[] = [
  ["a password for the memory", "limit_store_password_file: pw", /in memory and has no password/],
  ["two passwords", "limit_store: redis://:a@b\n  limit_store_password_file: pw", /has a password already/],
  [
    "an empty file",
    "limit_store: redis://b\n  limit_store_password_file: empty",
    /"empty" cannot be used: it is empty/,
  ],
  ["a missing file", "limit_store: redis://b\n  limit_store_password_file: none", /"none" cannot be used/],
  [
    "authorities without TLS",
    "limit_store: redis://b\n  limit_store_ssl_trusted_certificate: ca.pem",
    /only a "limit_store" of "rediss:\/\/"/,
  ],
  [
    "no authorities",
    "limit_store: rediss://b\n  limit_store_ssl_trusted_certificate: no.pem",
    /"no.pem" cannot be used/,
  ],
];

for (const [name, lines, problem] of CONFLICTS) {
  Deno.test(`limit_store: ${name} is a problem`, () => {
    const problems = loadBad(`${HEAD}  ${lines}\n${TAIL}`, FILES);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0]!, problem);
  });
}

Deno.test("limit_store: files that fit are good", () => {
  const lines =
    "limit_store: rediss://b\n  limit_store_password_file: pw\n  limit_store_ssl_trusted_certificate: ca.pem";
  assert.equal(loadGood(`${HEAD}  ${lines}\n${TAIL}`, FILES).main.limit_store_password_file, "pw");
});
