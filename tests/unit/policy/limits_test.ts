import assert from "node:assert/strict";
import type { LimitSettings, LoginLimit } from "../../../src/config/settings.ts";
import {
  admissionOf,
  clientOf,
  type Counted,
  planLimits,
  successKey,
  watchesOf,
} from "../../../src/policy/limits.ts";

const NOTHING: LimitSettings = {
  access: [],
  limit_conn: [],
  limit_req: [],
  limit_login: [],
  limit_exempt: [],
  limit_ipv4_prefix: 32,
  limit_ipv6_prefix: 64,
};

function login(by: "client" | "user", ban: number | null = 9): LoginLimit {
  return { by, delay: 1, refuse: null, ban, forget: 1_000, ban_time: 2_000, ban_max: 3_000, zone: "" };
}

function rate(
  what: "connections" | "messages" | "recipients",
  by: "client" | "user" | "total",
  zone = "",
): LimitSettings["limit_req"][number] {
  return { what, by, count: 30, per: "m", burst: 5, zone };
}

const ALL: LimitSettings = {
  ...NOTHING,
  limit_conn: [{ by: "client", most: 20, zone: "" }, { by: "user", most: 10, zone: "" }, {
    by: "total",
    most: 500,
    zone: "mx",
  }],
  limit_req: [
    rate("connections", "client"),
    rate("connections", "user"),
    rate("messages", "user"),
    rate("messages", "total"),
    rate("recipients", "client", "z"),
  ],
  limit_login: [login("user"), login("client"), login("client", null)],
};

const STRANGER: Counted = { network: "192.0.2.1", home: "192.0.2.1", user: null };
const ADA: Counted = { ...STRANGER, user: "Ada@Example.com" };

/** The keys that are asked for, in order. */
function keysAt(moment: "entry" | "login" | "message" | "recipient" | "messageAndRecipient", who: Counted) {
  const group = planLimits(ALL)![moment];
  const asked = group === null ? null : admissionOf(group, who);
  if (asked === null) return [];
  const { bans, holds, rates } = asked.admission;
  const keys = [
    ...bans,
    ...holds.map(({ key, most }) => `${key} of ${most}`),
    ...rates.map(({ key }) => key),
  ];
  const { ban, hold, rate } = asked.names;
  assert.equal([...ban, ...hold, ...rate].length, keys.length);
  return keys;
}

Deno.test("planLimits() plans nothing where nothing is limited", () => {
  assert.equal(planLimits({ ...NOTHING, limit_exempt: [{ kind: "unix" }] }), null);
  assert.notEqual(planLimits({ ...NOTHING, access: [{ action: "deny", range: "all" }] }), null);
});

Deno.test("each limit is asked for at its time", () => {
  assert.deepEqual(keysAt("entry", STRANGER), [
    "login client  192.0.2.1",
    "conn client  192.0.2.1 of 20",
    "conn total mx  of 500",
    "connections client :30r/m 192.0.2.1",
  ]);
  assert.deepEqual(keysAt("login", ADA), [
    "conn user  ada@example.com of 10",
    "connections user :30r/m ada@example.com",
  ]);
  assert.deepEqual(keysAt("message", ADA), [
    "messages user :30r/m ada@example.com",
    "messages total :30r/m ",
  ]);
  assert.deepEqual(keysAt("recipient", ADA), ["recipients client z:30r/m 192.0.2.1"]);
  assert.deepEqual(keysAt("messageAndRecipient", STRANGER), [
    "messages total :30r/m ",
    "recipients client z:30r/m 192.0.2.1",
  ]);
});

Deno.test("an exempt client counts for nothing but the total and the user", () => {
  const settings: LimitSettings = {
    ...ALL,
    limit_exempt: [{ kind: "ip", address: new Uint8Array([192, 0, 2, 1]), prefix: 24 }],
  };
  const who = clientOf("192.0.2.77", settings);
  assert.deepEqual(who, { network: null, home: "192.0.2.77", user: null });
  assert.deepEqual(keysAt("entry", who), ["conn total mx  of 500"]);
  assert.deepEqual(
    watchesOf(planLimits(settings)!, { ...who, user: "ada" }).watches.map(({ key, unless }) => [key, unless]),
    [
      ["login user  ada", "known user 192.0.2.77 ada"],
    ],
  );
  assert.deepEqual(clientOf("unix:", ALL), { network: null, home: null, user: null });
});

Deno.test("watchesOf() names the address before the user, who is not watched where he has signed in", () => {
  const { watches, names } = watchesOf(planLimits(ALL)!, ADA);
  assert.deepEqual(watches.map(({ key, unless }) => [key, unless]), [
    ["login client  192.0.2.1", null],
    ["login client  192.0.2.1", null],
    ["login user  ada@example.com", "known user 192.0.2.1 ada@example.com"],
  ]);
  assert.deepEqual(names.map(({ label }) => label), ["login_client", "login_client", "login_user"]);
  assert.equal(successKey(planLimits(ALL)!, ADA), "known user 192.0.2.1 ada@example.com");
  assert.equal(successKey(planLimits({ ...ALL, limit_login: [login("client")] })!, ADA), null);
});

Deno.test("no login makes a key longer than 255 octets of it", () => {
  const { watches } = watchesOf(planLimits(ALL)!, { ...STRANGER, user: "x".repeat(12_000) });
  assert.ok(watches.every(({ key, unless }) => key.length < 300 && (unless ?? "").length < 300));
});
