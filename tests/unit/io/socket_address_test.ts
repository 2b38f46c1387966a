import assert from "node:assert/strict";
import { knownSocketAddress, toSocketAddress } from "../../../src/io/socket_address.ts";
import type { SocketAddress } from "../../../src/ports/transport.ts";

const tcp = (hostname: string, port: number): Deno.Addr => ({ transport: "tcp", hostname, port });
const KNOWN: SocketAddress = { kind: "tcp", host: "192.0.2.1", port: 25 };

for (
  const [address, expected] of [
    [tcp("192.0.2.1", 25), KNOWN],
    [tcp("::ffff:192.0.2.1", 25), KNOWN],
    [tcp("::1", 25), { kind: "tcp", host: "::1", port: 25 }],
    [{ transport: "unix", path: "/run/a.sock" }, { kind: "unix", path: "/run/a.sock" }],
  ] as const
) {
  Deno.test(`toSocketAddress() of ${JSON.stringify(address)}`, () => {
    assert.deepEqual(toSocketAddress(address), expected);
  });
}

Deno.test("knownSocketAddress() gives the one that is known for the same one, and for no other", () => {
  assert.equal(knownSocketAddress(tcp("192.0.2.1", 25), KNOWN), KNOWN);
  assert.equal(knownSocketAddress(tcp("::ffff:192.0.2.1", 25), KNOWN), KNOWN);
  for (
    const other of [tcp("192.0.2.2", 25), tcp("192.0.2.1", 587), { transport: "unix", path: "/a" } as const]
  ) {
    assert.deepEqual(knownSocketAddress(other, KNOWN), toSocketAddress(other));
  }
  assert.deepEqual(knownSocketAddress(tcp("192.0.2.1", 25), null), KNOWN);
});
