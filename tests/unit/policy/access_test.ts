import assert from "node:assert/strict";
import { mayConnect } from "../../../src/policy/access.ts";
import type { AccessRule } from "../../../src/config/settings.ts";
import { parseCidr } from "../../../src/bytes/ip_address.ts";

function rules(...texts: readonly string[]): AccessRule[] {
  return texts.map((text) => {
    const [action, where] = text.split(" ") as ["allow" | "deny", string];
    if (where === "all") return { action, range: "all" };
    return { action, range: where === "unix:" ? { kind: "unix" } : { kind: "ip", ...parseCidr(where)! } };
  });
}

const CASES: readonly (readonly [string, AccessRule[], readonly string[], readonly string[]])[] = [
  ["no rule", [], ["192.0.2.1", "::1", "unix:"], []],
  ["the first that fits", rules("deny 192.0.2.1", "allow 192.0.2.0/24", "deny all"), ["192.0.2.2"], [
    "192.0.2.1",
    "198.51.100.1",
    "2001:db8::1",
    "unix:",
  ]],
  ["whom none fits", rules("deny 192.0.2.0/24"), ["198.51.100.1", "unix:", "::1"], [
    "192.0.2.9",
    "::ffff:192.0.2.9",
  ]],
  ["IPv6", rules("allow 2001:db8::/32", "deny all"), ["2001:db8:ffff::1"], ["2001:db9::1", "192.0.2.1"]],
  ["Unix sockets", rules("allow unix:", "deny all"), ["unix:"], ["127.0.0.1"]],
  ["an order the other way round", rules("allow all", "deny 192.0.2.1"), ["192.0.2.1"], []],
];

for (const [name, list, allowed, denied] of CASES) {
  Deno.test(`mayConnect(): ${name}`, () => {
    for (const host of allowed) assert.equal(mayConnect(list, host), true, host);
    for (const host of denied) assert.equal(mayConnect(list, host), false, host);
  });
}
