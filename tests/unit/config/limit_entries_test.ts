import assert from "node:assert/strict";
import {
  accessRule,
  connLimit,
  entriesOf,
  loginLimit,
  rateLimit,
} from "../../../src/config/limit_entries.ts";
import type { ValueType } from "../../../src/config/value_type.ts";
import { readAs } from "./reading.ts";

const LOGIN = {
  delay: null,
  refuse: null,
  ban: null,
  forget: 300_000,
  ban_time: 900_000,
  ban_max: 86_400_000,
  zone: "",
};
const RATE = { what: "messages", by: "user", count: 100, per: "h", burst: 0, zone: "" };

const GOOD: readonly (readonly [ValueType<never>, string, unknown, string])[] = ([
  [accessRule, "allow 192.0.2.0/24", {
    action: "allow",
    range: { kind: "ip", address: new Uint8Array([192, 0, 2, 0]), prefix: 24 },
  }, "allow 192.0.2.0/24"],
  [accessRule, "deny  all", { action: "deny", range: "all" }, "deny all"],
  [accessRule, "deny unix:", { action: "deny", range: { kind: "unix" } }, "deny unix:"],
  [connLimit, "client 20", { by: "client", most: 20, zone: "" }, "client 20"],
  [connLimit, "total 5000 zone=mx", { by: "total", most: 5000, zone: "mx" }, "total 5000 zone=mx"],
  [rateLimit, "messages user rate=100r/h", RATE, "messages user rate=100r/h"],
  [rateLimit, "messages user 100r/h", RATE, "messages user rate=100r/h"],
  [
    rateLimit,
    "messages user 100r/h burst=10 zone=a",
    { ...RATE, burst: 10, zone: "a" },
    "messages user rate=100r/h burst=10 zone=a",
  ],
  [loginLimit, "client delay=3", { ...LOGIN, by: "client", delay: 3 }, "client delay=3"],
  [
    loginLimit,
    "user delay=3 refuse=10 ban=20 forget=1m ban_time=1h ban_max=7d zone=z",
    {
      by: "user",
      delay: 3,
      refuse: 10,
      ban: 20,
      forget: 60_000,
      ban_time: 3_600_000,
      ban_max: 604_800_000,
      zone: "z",
    },
    "user delay=3 refuse=10 ban=20 forget=1m ban_time=1h ban_max=168h zone=z",
  ],
] as const) as never;

Deno.test("entries of limits are read, printed, and read again", () => {
  for (const [type, text, expected, printed] of GOOD) {
    const { value, problems } = readAs(type, JSON.stringify(text));
    assert.deepEqual(problems, [], text);
    assert.deepEqual(value, expected, text);
    assert.equal((type as ValueType<unknown>).print(value), printed);
    assert.deepEqual(readAs(type, JSON.stringify(printed)).value, expected, text);
  }
});

const BAD: readonly (readonly [ValueType<unknown>, readonly string[]])[] = [
  [accessRule, [
    "",
    "allow",
    "permit all",
    "allow all all",
    "deny 192.0.2.0/33",
    "allow mail.example.com",
    "192.0.2.1",
  ]],
  [connLimit, [
    "client",
    "20",
    "client 0",
    "client -1",
    "clients 5",
    "client 5 5",
    "client 5 burst=1",
    "client 5 zone=",
    "client 5 zone=a zone=b",
    "client 5 zone=a b=c",
  ]],
  [rateLimit, [
    "messages",
    "messages user",
    "messages user 0r/h",
    "messages user 1r/w",
    "messages user 1",
    "mails user 1r/h",
    "messages user 1r/h burst=-1",
    "messages user rate=1r/h 2r/h",
    "messages user rate=x",
    "messages user 1r/h nodelay",
  ]],
  [loginLimit, [
    "client",
    "client 5",
    "total delay=1",
    "client delay=0",
    "client delay=5 refuse=5",
    "client refuse=9 ban=8",
    "client ban=5 ban_time=2h ban_max=1h",
    "client delay=1 delay=2",
    "client forget=5m",
    "client delay=1 forget=0",
  ]],
];

Deno.test("what is no entry of a limit is refused with what was expected", () => {
  for (const [type, texts] of BAD) {
    for (const text of texts) {
      const { value, problems } = readAs(type, JSON.stringify(text));
      assert.equal(value, undefined, text);
      assert.equal(problems.length, 1, text);
      assert.match(problems[0]!, /^expected /, text);
    }
  }
});

Deno.test("entriesOf() takes a list, one entry, or off", () => {
  const type = entriesOf(connLimit);
  const client = { by: "client", most: 20, zone: "" };
  const user = { by: "user", most: 5, zone: "" };
  assert.deepEqual(readAs(type, "[client 20, user 5]").value, [client, user]);
  assert.deepEqual(readAs(type, "client 20").value, [client]);
  assert.deepEqual(readAs(type, "off").value, []);
  assert.deepEqual(readAs(type, "[]").value, []);
  assert.equal(readAs(type, "[client 20, user]").problems.length, 1);
});
