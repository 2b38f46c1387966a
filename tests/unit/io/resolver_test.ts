import assert from "node:assert/strict";
import type { ResolverTarget } from "../../../src/config/settings.ts";
import { createClock } from "../../../src/io/deadlines.ts";
import { createResolver, type Lookup } from "../../../src/io/resolver.ts";
import type { Clock } from "../../../src/ports/clock.ts";

const UNAVAILABLE = "[UNAVAILABLE]";
const TEMPORARILY = "[TEMPUNAVAIL]";
const never = new AbortController().signal;

const TARGET: ResolverTarget = {
  servers: [{ host: "192.0.2.53", port: 53 }],
  ipv4: true,
  ipv6: true,
  validMs: null,
};

/** A clock whose deadlines fire when the test says so. */
class HandClock implements Clock {
  milliseconds = 0;
  readonly armed = new Set<() => void>();
  now = () => this.milliseconds;
  deadline(expired: () => void) {
    return { arm: () => void this.armed.add(expired), disarm: () => void this.armed.delete(expired) };
  }
  sleep = () => Promise.resolve();
  expireAll(): void {
    for (const expired of this.armed) expired();
  }
}

/** Answers from a table by `name type`; what is not there fails as a server does. */
function answering(table: Readonly<Record<string, readonly string[]>>, asked: string[] = []): Lookup {
  return (name, type) => {
    asked.push(`${name} ${type}`);
    const answer = table[`${name} ${type}`];
    return answer ? Promise.resolve([...answer]) : Promise.reject(new Error("SERVFAIL"));
  };
}

const PTR4 = "1.2.0.192.in-addr.arpa. PTR";
const PTR6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR";
const A = { "mx.test. A": ["192.0.2.1"], "mx.test. AAAA": [] };

const ROWS: [string, string, Record<string, string[]>, string][] = [
  ["a name that leads back", "192.0.2.1", { [PTR4]: ["mx.test."], ...A }, "mx.test"],
  ["lower case without the dot", "192.0.2.1", { [PTR4]: ["MX.Test."], ...A }, "mx.test"],
  ["the first name of several", "192.0.2.1", { [PTR4]: ["mx.test.", "other.test."], ...A }, "mx.test"],
  [
    "IPv6",
    "2001:db8::1",
    { [PTR6]: ["mx.test"], "mx.test. A": [], "mx.test. AAAA": ["2001:DB8:0:0::1"] },
    "mx.test",
  ],
  ["IPv4 in IPv6", "::ffff:192.0.2.1", { [PTR4]: ["mx.test."], ...A }, "mx.test"],
  ["no PTR", "192.0.2.1", { [PTR4]: [] }, UNAVAILABLE],
  ["a failed PTR look-up", "192.0.2.1", {}, TEMPORARILY],
  ["an underscore", "192.0.2.1", { [PTR4]: ["mx_1.test."] }, TEMPORARILY],
  ["an injected line", "192.0.2.1", { [PTR4]: ["mx.test\r\nAuth-User: root"] }, TEMPORARILY],
  ["an empty name", "192.0.2.1", { [PTR4]: ["."] }, TEMPORARILY],
  ["no addresses", "192.0.2.1", { [PTR4]: ["mx.test."], "mx.test. A": [], "mx.test. AAAA": [] }, UNAVAILABLE],
  [
    "other addresses",
    "192.0.2.1",
    { [PTR4]: ["mx.test."], "mx.test. A": ["192.0.2.2"], "mx.test. AAAA": ["::1"] },
    UNAVAILABLE,
  ],
  [
    "a failed forward look-up",
    "192.0.2.1",
    { [PTR4]: ["mx.test."], "mx.test. A": ["192.0.2.1"] },
    TEMPORARILY,
  ],
  ["a Unix client", "unix:", {}, TEMPORARILY],
];

for (const [name, address, table, expected] of ROWS) {
  Deno.test(`clientHost() gives ${expected} for ${name}`, async () => {
    const clock = new HandClock();
    const resolver = createResolver(TARGET, 30_000, clock, answering(table));
    assert.equal(await resolver.clientHost(address, never), expected);
    assert.equal(clock.armed.size, 0);
  });
}

Deno.test("ipv4=off and ipv6=off ask for no such addresses", async () => {
  for (const [family, record] of [["ipv4", "A"], ["ipv6", "AAAA"]] as const) {
    const asked: string[] = [];
    const lookup = answering({ [PTR4]: ["mx.test."], ...A }, asked);
    const resolver = createResolver({ ...TARGET, [family]: false }, 30_000, new HandClock(), lookup);
    await resolver.clientHost("192.0.2.1", never);
    assert.equal(asked.includes(`mx.test. ${record}`), false);
    assert.equal(asked.length, 2);
  }
});

Deno.test("a known name is not looked up again until it is too old; a temporary failure at once", async () => {
  const clock = new HandClock();
  const asked: string[] = [];
  const resolver = createResolver(
    { ...TARGET, validMs: 1000 },
    30_000,
    clock,
    answering({ [PTR4]: [] }, asked),
  );
  for (const at of [0, 999, 1000]) {
    clock.milliseconds = at;
    assert.equal(await resolver.clientHost("192.0.2.1", never), UNAVAILABLE);
  }
  assert.equal(asked.length, 2);
  for (let time = 0; time < 2; time++) await resolver.clientHost("192.0.2.9", never);
  assert.equal(asked.length, 4);
});

Deno.test("at most 10,000 names are kept, the newest", async () => {
  let asked = 0;
  const lookup: Lookup = () => Promise.resolve(asked++ < 0 ? [""] : []);
  const resolver = createResolver(TARGET, 30_000, new HandClock(), lookup);
  for (let n = 0; n <= 10_000; n++) await resolver.clientHost(`10.0.${n >> 8}.${n & 255}`, never);
  assert.equal(asked, 10_001);
  await resolver.clientHost("10.0.0.1", never);
  assert.equal(asked, 10_001);
  await resolver.clientHost("10.0.0.0", never);
  assert.equal(asked, 10_002);
});

Deno.test("the servers are asked in their order until one answers", async () => {
  const servers = ["192.0.2.51", "192.0.2.52", "192.0.2.53"].map((host) => ({ host, port: 53 }));
  const asked: string[] = [];
  const lookup: Lookup = (_name, _type, { host }) => {
    asked.push(host);
    return host === "192.0.2.51" ? Promise.reject(new Error("timed out")) : Promise.resolve([]);
  };
  const resolver = createResolver({ ...TARGET, servers }, 30_000, new HandClock(), lookup);
  assert.equal(await resolver.clientHost("192.0.2.1", never), UNAVAILABLE);
  assert.deepEqual(asked, ["192.0.2.51", "192.0.2.52"]);
});

Deno.test("resolver_timeout and the end of the session stop a look-up", async () => {
  const clock = new HandClock();
  const waiting: Lookup = (_name, _type, _server, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const resolver = createResolver(TARGET, 30_000, clock, waiting);
  const late = resolver.clientHost("192.0.2.1", never);
  clock.expireAll();
  assert.equal(await late, TEMPORARILY);
  const session = new AbortController();
  const left = resolver.clientHost("192.0.2.1", session.signal);
  session.abort();
  assert.equal(await left, TEMPORARILY);
  assert.equal(await resolver.clientHost("192.0.2.1", session.signal), TEMPORARILY);
  assert.equal(clock.armed.size, 0);
});

/** Answers every PTR question with `mx.test`, A with 192.0.2.1, and says that all else does not exist. */
async function serveNames(socket: Deno.DatagramConn): Promise<void> {
  for await (const [query, from] of socket) {
    const end = query.indexOf(0, 12); // no label of the test's names has a zero octet
    const type = query[end + 2];
    const question = query.subarray(12, end + 5);
    const data = type === 12 ? [2, 109, 120, 4, 116, 101, 115, 116, 0] : type === 1 ? [192, 0, 2, 1] : null;
    const answer = data === null ? [] : [0xc0, 12, 0, type!, 0, 1, 0, 0, 0, 60, 0, data.length, ...data];
    const head = [
      query[0]!,
      query[1]!,
      0x81,
      data === null ? 0x83 : 0x80,
      0,
      1,
      0,
      data === null ? 0 : 1,
      0,
      0,
      0,
      0,
    ];
    await socket.send(Uint8Array.from([...head, ...question, ...answer]), from);
  }
}

Deno.test("names are found on a real name server", async () => {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const serving = serveNames(socket);
  const { port } = socket.addr as Deno.NetAddr;
  const clock = createClock();
  const servers = [{ host: "127.0.0.1", port }];
  const resolver = createResolver({ ...TARGET, servers }, 5000, clock);
  assert.equal(await resolver.clientHost("192.0.2.1", never), "mx.test");
  assert.equal(await resolver.clientHost("192.0.2.7", never), UNAVAILABLE);
  socket.close();
  await serving;
  clock.close();
});
