import assert from "node:assert/strict";
import { networkOf } from "../../../src/policy/client_network.ts";

const CASES: readonly (readonly [host: string, ipv4: number, ipv6: number, network: string | null])[] = [
  ["192.0.2.77", 32, 64, "192.0.2.77"],
  ["192.0.2.77", 24, 64, "192.0.2.0/24"],
  ["192.0.2.77", 26, 64, "192.0.2.64/26"],
  ["203.0.113.255", 8, 64, "203.0.0.0/8"],
  ["::ffff:192.0.2.77", 32, 64, "192.0.2.77"],
  ["2001:db8:1:2:3:4:5:6", 32, 64, "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::6", 32, 64, "2001:db8:1:2::/64"],
  ["2001:db8:1:2ff:3:4:5:6", 32, 56, "2001:db8:1:200::/56"],
  ["2001:db8:1:2::6", 32, 128, "2001:db8:1:2::6"],
  ["unix:", 32, 64, null],
];

for (const [host, limit_ipv4_prefix, limit_ipv6_prefix, network] of CASES) {
  Deno.test(`networkOf(): ${host} with /${limit_ipv4_prefix} and /${limit_ipv6_prefix} is of ${network}`, () => {
    assert.equal(networkOf(host, { limit_ipv4_prefix, limit_ipv6_prefix }), network);
  });
}
