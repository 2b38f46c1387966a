import assert from "node:assert/strict";
import { OwnListeners } from "../../../src/io/own_listeners.ts";
import type { SocketAddress } from "../../../src/ports/transport.ts";
import { withTempDir } from "../../support/temp_dir.ts";

function tcp(host: string, port = 25): SocketAddress {
  return { kind: "tcp", host, port };
}

const MACHINE = ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7", "fe80::1%eth0"];

const rows: readonly (readonly [listener: string, own: readonly string[], others: readonly string[]])[] = [
  ["127.0.0.1", ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"], ["127.0.0.2", "::1", "192.0.2.7"]],
  ["192.0.2.7", ["192.0.2.7"], ["127.0.0.1", "192.0.2.8", "2001:db8::7", "0.0.0.0"]],
  ["0.0.0.0", ["127.0.0.1", "127.9.9.9", "192.0.2.7", "0.0.0.0"], ["192.0.2.8", "2001:db8::7", "::1"]],
  ["::", ["::1", "2001:db8::7", "192.0.2.7", "127.0.0.2", "::", "0.0.0.0"], ["2001:db8::8", "192.0.2.8"]],
  ["2001:db8::7", ["2001:DB8:0::7"], ["2001:db8::8", "192.0.2.7"]],
];

for (const [listener, own, others] of rows) {
  Deno.test(`OwnListeners knows what leads to a listener on ${listener}`, () => {
    const listeners = new OwnListeners(() => MACHINE);
    listeners.replace([tcp(listener)]);
    for (const host of own) assert.equal(listeners.has(tcp(host)), true, host);
    for (const host of others) assert.equal(listeners.has(tcp(host)), false, host);
    for (const host of own) assert.equal(listeners.has(tcp(host, 26)), false, `${host}, another port`);
  });
}

Deno.test("OwnListeners reads the addresses of this machine", () => {
  const listeners = new OwnListeners();
  listeners.replace([tcp("::")]);
  for (const { address } of Deno.networkInterfaces()) {
    assert.equal(listeners.has(tcp(address)), true, address);
  }
});

Deno.test("OwnListeners knows a Unix socket by whichever name", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/mail.sock`;
    using _socket = Deno.listen({ transport: "unix", path });
    await Deno.symlink(path, `${directory}/link`);
    const listeners = new OwnListeners(() => []);
    assert.equal(listeners.has({ kind: "unix", path }), false);
    listeners.replace([{ kind: "unix", path }]);
    for (const name of [path, `${directory}/link`, `${directory}/./mail.sock`]) {
      assert.equal(listeners.has({ kind: "unix", path: name }), true, name);
    }
    assert.equal(listeners.has({ kind: "unix", path: `${directory}/other` }), false);
  });
});
