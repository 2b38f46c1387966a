import assert from "node:assert/strict";
import type { ListenSettings } from "../../../src/config/settings.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { ListenError } from "../../../src/io/listener.ts";
import { ListenSockets } from "../../../src/io/listen_sockets.ts";
import type { SocketAddress } from "../../../src/ports/transport.ts";
import { ReservedPort } from "../../support/reserved_port.ts";
import { octets, onTcp, readToEnd, text } from "./pair.ts";

const never = new AbortController().signal;
const dial = (address: SocketAddress) => createDialer().connect(address, never);
const tcp = (host: string, port: number) => ({ kind: "tcp", host, port } as const);

/** Sockets that tell every client whose it is. */
function newSockets(): ListenSockets<string> {
  return new ListenSockets((accepted, owner) => {
    void accepted.write(octets(owner)).then(() => accepted.close());
  });
}

async function ownerAt(address: SocketAddress): Promise<string> {
  const client = await dial(address);
  const owner = text(await readToEnd(client));
  client.close();
  return owner;
}

async function take(
  sockets: ListenSockets<string>,
  listeners: readonly ListenSettings[],
  owners: readonly string[],
): Promise<readonly SocketAddress[]> {
  const prepared = await sockets.prepare(listeners);
  await prepared.commit(owners);
  return prepared.addresses;
}

Deno.test("both wildcards and specific addresses may share a port", async () => {
  using reserved = await ReservedPort.take();
  const { port } = reserved;
  const sockets = newSockets();
  const hosts = ["127.0.0.1", "0.0.0.0", "::", "::1"];
  await take(sockets, hosts.map((host) => onTcp(host, port)), hosts);
  for (const [host, owner] of [["127.0.0.1", "127.0.0.1"], ["127.0.0.2", "0.0.0.0"], ["::1", "::1"]]) {
    assert.equal(await ownerAt(tcp(host!, port)), owner);
  }
  await sockets.close();
  await reserved.refused();
});

Deno.test("a specific IPv6 address does not share the IPv4 wildcard's socket", async () => {
  using reserved = await ReservedPort.take();
  const { port } = reserved;
  const sockets = newSockets();
  const hosts = ["::1", "0.0.0.0", "127.0.0.1"];
  await take(sockets, hosts.map((host) => onTcp(host, port)), hosts);
  for (const [host, owner] of [["::1", "::1"], ["127.0.0.1", "127.0.0.1"], ["127.0.0.3", "0.0.0.0"]]) {
    assert.equal(await ownerAt(tcp(host!, port)), owner);
  }
  await sockets.close();
});

Deno.test("IPv4 in IPv6 is IPv4, for the wildcard alone too", async () => {
  using reserved = await ReservedPort.take();
  const { port } = reserved;
  const sockets = newSockets();
  await take(sockets, [onTcp("::", port)], ["any"]);
  assert.equal(await ownerAt(tcp("127.0.0.1", port)), "any");
  assert.equal(await ownerAt(tcp("::1", port)), "any");
  await sockets.close();
});

/** What listens on one port before and after, and whose the connections to some addresses are then. */
const CHANGES: readonly (readonly [
  name: string,
  before: readonly string[],
  after: readonly string[],
  owners: Readonly<Record<string, string | null>>,
])[] = [
  ["nothing", ["127.0.0.1"], ["127.0.0.1"], { "127.0.0.1": "new 127.0.0.1" }],
  ["another address", ["127.0.0.1"], ["127.0.0.2"], { "127.0.0.2": "new 127.0.0.2", "127.0.0.1": null }],
  ["an address less", ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"], { "127.0.0.2": null }],
  [
    "a wildcard around an address",
    ["127.0.0.1"],
    ["127.0.0.1", "0.0.0.0"],
    { "127.0.0.1": "new 127.0.0.1", "127.0.0.2": "new 0.0.0.0" },
  ],
  ["a wildcard instead of an address", ["127.0.0.1"], ["::"], { "127.0.0.1": "new ::", "::1": "new ::" }],
  [
    "an address instead of the wildcard",
    ["0.0.0.0"],
    ["127.0.0.1"],
    { "127.0.0.1": "new 127.0.0.1", "127.0.0.2": null },
  ],
  [
    "an address below the wildcard less",
    ["0.0.0.0", "127.0.0.1"],
    ["0.0.0.0"],
    { "127.0.0.1": "new 0.0.0.0" },
  ],
  ["the wider wildcard too", ["0.0.0.0"], ["0.0.0.0", "::"], { "127.0.0.1": "new 0.0.0.0", "::1": "new ::" }],
];

for (const [name, before, after, owners] of CHANGES) {
  Deno.test(`a change of the listeners: ${name}`, async () => {
    using reserved = await ReservedPort.take();
    const { port } = reserved;
    const sockets = newSockets();
    await take(sockets, before.map((host) => onTcp(host, port)), before.map((host) => `old ${host}`));
    await take(sockets, after.map((host) => onTcp(host, port)), after.map((host) => `new ${host}`));
    for (const [host, owner] of Object.entries(owners)) {
      if (owner === null) await reserved.refused(host);
      else assert.equal(await ownerAt(tcp(host, port)), owner);
    }
    await sockets.close();
  });
}

Deno.test("a connection that waits when its socket changes hands is the new owner's, and none is refused", async () => {
  const sockets = newSockets();
  const [address] = await take(sockets, [onTcp("127.0.0.1")], ["1"]);
  assert.ok(address?.kind === "tcp");
  const waiting = Array.from({ length: 50 }, () => ownerAt(address));
  for (let round = 2; round < 10; round++) {
    await take(sockets, [onTcp("127.0.0.1", address.port)], [`${round}`]);
    waiting.push(ownerAt(address));
  }
  const answers = await Promise.all(waiting);
  assert.ok(answers.every((answer) => answer !== ""), answers.join());
  assert.equal(answers.at(-1), "9");
  await sockets.close();
});

Deno.test("prepare() opens all or none, and abort() leaves all as it was", async () => {
  const sockets = newSockets();
  const [address] = await take(sockets, [onTcp("127.0.0.1")], ["old"]);
  assert.ok(address?.kind === "tcp");
  using reserved = await ReservedPort.take();
  const { port: free } = reserved;
  const kept = onTcp("127.0.0.1", address.port);
  const denied = [kept, onTcp("127.0.0.1", free), onTcp("192.0.2.1", free)];
  await assert.rejects(
    sockets.prepare(denied),
    (error) => error instanceof ListenError && error.code === "not_available",
  );
  await reserved.refused();
  const prepared = await sockets.prepare(denied.slice(0, 2));
  prepared.abort();
  await reserved.refused();
  assert.equal(await ownerAt(address), "old");
  await sockets.close();
});
