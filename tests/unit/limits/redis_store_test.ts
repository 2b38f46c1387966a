import assert from "node:assert/strict";
import type { RedisTarget } from "../../../src/limits/redis_sign_in.ts";
import { within } from "../../support/patience.ts";
import { peerTest } from "../../support/peers.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { ReservedPort } from "../../support/reserved_port.ts";
import { withTempDir } from "../../support/temp_dir.ts";
import { Postern, targetOf } from "./redis_postern.ts";
import { holds, storeTests } from "./store_cases.ts";

const PLACE = holds(["conn total  ", 3]);

async function takeAll(...posterns: readonly Postern[]): Promise<number> {
  let taken = 0;
  for (;;) {
    const answers = await Promise.all(posterns.map(({ store }) => store.admit(PLACE)));
    const good = answers.filter((answer) => answer === null).length;
    if (good === 0) return taken;
    taken += good;
  }
}

/** Says one command to a Redis, as its operator does. */
async function tell({ port }: RedisServer, command: string): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(command + "\r\n"));
  await connection.read(new Uint8Array(64));
  connection.close();
}

storeTests("the store in Redis", async (body) => {
  await using redis = await RedisServer.start();
  let now = 1_000_000;
  await using postern = await new Postern(targetOf(redis.port), { now: () => now }).connected();
  await body({ store: postern.store, advance: (milliseconds) => now += milliseconds });
}, (name, fn) => peerTest(name, ["redis-server"], fn));

peerTest("Posterns that share a Redis count together, with its own time", ["redis-server"], async () => {
  await using redis = await RedisServer.start();
  await using first = await new Postern(targetOf(redis.port)).connected();
  await using second = await new Postern(targetOf(redis.port)).connected();
  const asked = { ...PLACE, rates: [{ key: "r", count: 1, perMs: 3_600_000, burst: 49 }] };
  const wide = { ...asked, holds: [{ key: "conn total  ", most: 40 }] };
  // Who of the two gets more of the rest is nobody's to say.
  assert.equal(await first.store.admit(wide), null);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, turn) => (turn % 2 === 0 ? first : second).store.admit(wide)),
  );
  assert.equal(answers.filter((answer) => answer === null).length, 39);
  assert.deepEqual(await first.store.admit(wide), { over: "hold", index: 0 });
  // The release is on its way before this is asked on the same connection.
  first.store.release(["conn total  "]);
  assert.equal(await first.store.admit(wide), null);
  assert.deepEqual(await second.store.admit(wide), { over: "hold", index: 0 });
});

peerTest(
  "who comes before the store was reached for the first time is counted",
  ["redis-server"],
  async () => {
    await using redis = await RedisServer.start();
    await using postern = new Postern(targetOf(redis.port), { open: false });
    assert.equal(await postern.store.admit(PLACE), null);
    await using other = await new Postern(targetOf(redis.port)).connected();
    assert.equal(await takeAll(other), 2);
    assert.deepEqual([postern.unanswered, postern.changes], [0, []]);
  },
);

Deno.test("a store that was never there sends away at once who comes while it is tried for the first time", async () => {
  using nobody = await ReservedPort.take();
  await using postern = new Postern(targetOf(nobody.port), { open: false, timeoutMs: 600_000 });
  const answer = await within(postern.store.admit(PLACE), () => "it waits");
  assert.deepEqual([answer?.over, postern.unanswered], ["store", 1]);
});

peerTest("the places of a Postern that ends are free at once", ["redis-server"], async () => {
  await using redis = await RedisServer.start();
  await using first = await new Postern(targetOf(redis.port)).connected();
  const second = await new Postern(targetOf(redis.port)).connected();
  assert.equal(await takeAll(second), 3);
  assert.equal(await takeAll(first), 0);
  await second[Symbol.asyncDispose]();
  assert.equal(await takeAll(first), 3);
});

peerTest("the places of a Postern that died are free when its lease is over", ["redis-server"], async () => {
  await using redis = await RedisServer.start();
  let now = 1_000_000;
  await using first = await new Postern(targetOf(redis.port), { now: () => now }).connected();
  await using dead = await new Postern(targetOf(redis.port), { now: () => now }).connected();
  assert.equal(await takeAll(dead), 3);
  now += 59_999;
  assert.equal(await takeAll(first), 0);
  now += 1;
  assert.equal(await takeAll(first), 3);
});

for (const open of [true, false]) {
  const what = open ? "lets everybody in, and counts them when it is back" : "lets nobody in";
  peerTest(
    `while Redis is away, a Postern that fails ${open ? "open" : "closed"} ${what}`,
    ["redis-server"],
    async () => {
      await using redis = await RedisServer.start();
      await using postern = await new Postern(targetOf(redis.port), { open }).connected();
      await using other = await new Postern(targetOf(redis.port)).connected();
      assert.equal(await postern.store.admit(PLACE), null);
      await redis.kill();
      await postern.changed(1);
      await other.changed(1);
      const attempt = { watches: [], mark: "m" };
      assert.deepEqual(await postern.store.admit(PLACE), open ? null : { over: "store" });
      assert.equal((await postern.store.loginAllowed(attempt)).kind, open ? "pass" : "store");
      assert.deepEqual(await postern.store.loginFailed(attempt), []);
      assert.equal(postern.unanswered, 3);
      await redis.start();
      await postern.changed(2);
      await other.changed(2);
      // It was told once that it went, and once that it came back.
      assert.deepEqual(postern.changes.map((reason) => reason === null), [false, true]);
      // Redis had lost everything, and has the places again.
      assert.equal(await takeAll(other), open ? 1 : 2);
    },
  );
}

peerTest(
  "a Redis that does not answer costs nobody more than the time for one call",
  ["redis-server"],
  async () => {
    await using redis = await RedisServer.start();
    await using postern = await new Postern(targetOf(redis.port), { timeoutMs: 300 }).connected();
    redis.signal("SIGSTOP");
    assert.deepEqual(await Promise.all([postern.store.admit(PLACE), postern.store.admit(PLACE)]), [
      null,
      null,
    ]);
    await postern.changed(1);
    assert.match(postern.changes[0]!, /^no answer within 300 ms$/);
    redis.signal("SIGCONT");
    await postern.changed(2);
    // The two that were not answered have their places, whether Redis had heard of them or not.
    assert.equal(await takeAll(postern), 1);
  },
);

peerTest("a password is needed where Redis has one, and stands in no reason", ["redis-server"], async () => {
  await using redis = await RedisServer.start("--requirepass", "s3cret-of-redis");
  await using good = await new Postern(targetOf(redis.port, { password: "s3cret-of-redis" })).connected();
  assert.equal(await good.store.admit(PLACE), null);
  await using bad = new Postern(targetOf(redis.port, { password: "wr0ng-of-redis" }));
  await bad.changed(1);
  assert.match(bad.changes[0]!, /WRONGPASS/);
  assert.doesNotMatch(JSON.stringify(bad.changes), /of-redis/);
});

peerTest("a store is reached by user, database, IPv6 and Unix socket", ["redis-server"], async () => {
  await withTempDir(async (directory) => {
    const unix = `${directory}/redis.sock`;
    const may = "on >s3cret ~postern:* -@all +auth +select +script|load +evalsha +@read +@write +time";
    const args = ["--bind", "127.0.0.1", "::1", "--unixsocket", unix, "--user", "ada", ...may.split(" ")];
    await using redis = await RedisServer.start(...args);
    const ada = { user: "ada", password: "s3cret" };
    const ways: readonly Partial<RedisTarget>[] = [
      {},
      { ...ada, database: 1 },
      { address: { kind: "tcp", host: "::1", port: redis.port }, database: 2 },
      { address: { kind: "tcp", host: "localhost", port: redis.port }, database: 3 },
      { address: { kind: "unix", path: unix }, tls: true, database: 4 },
    ];
    for (const way of ways) {
      await using postern = await new Postern(targetOf(redis.port, way)).connected();
      // Each has its own database, where nobody else takes places.
      assert.equal(await takeAll(postern), 3);
      await using same = await new Postern(targetOf(redis.port, { database: way.database ?? 0 })).connected();
      assert.equal(await takeAll(same), 0);
      assert.deepEqual(postern.changes, []);
    }
    await using stranger = new Postern(targetOf(redis.port, { ...ada, password: "wr0ng" }));
    await stranger.changed(1);
    assert.match(stranger.changes[0]!, /WRONGPASS/);
    await using far = new Postern(targetOf(redis.port, { database: 99 }));
    await far.changed(1);
    assert.match(far.changes[0]!, /DB index is out of range/);
  });
});

peerTest("a Redis that has no password, or no AUTH, is told of without ours", ["redis-server"], async () => {
  for (
    const [args, told] of [[[], /it has no password/], [
      ["--rename-command", "AUTH", ""],
      /AUTH: ERR$/,
    ]] as const
  ) {
    await using redis = await RedisServer.start(...args);
    await using postern = new Postern(targetOf(redis.port, { password: "s3cret-of-redis" }));
    await postern.changed(1);
    assert.match(postern.changes[0]!, told);
  }
});

peerTest("a Redis that forgets the scripts is asked over a new connection", ["redis-server"], async () => {
  await using redis = await RedisServer.start();
  await using postern = await new Postern(targetOf(redis.port)).connected();
  assert.equal(await postern.store.admit(PLACE), null);
  await tell(redis, "SCRIPT FLUSH");
  assert.equal(await postern.store.admit(PLACE), null);
  assert.match(postern.changes[0]!, /NOSCRIPT/);
  await postern.changed(2);
  assert.equal(await takeAll(postern), 1);
});

for (
  const [what, args, told, mended] of [
    ["is a replica", ["--replicaof", "127.0.0.1", "1"], /READONLY/, "REPLICAOF NO ONE"],
    ["is full", ["--maxmemory", "1"], /OOM/, "CONFIG SET maxmemory 0"],
  ] as const
) {
  peerTest(
    `a Redis that ${what} is away, before anybody asks, until it takes writes`,
    ["redis-server"],
    async () => {
      await using redis = await RedisServer.start(...args);
      await using postern = new Postern(targetOf(redis.port), { open: false });
      await postern.changed(1);
      assert.match(postern.changes[0]!, told);
      assert.deepEqual(await postern.store.admit(PLACE), { over: "store" });
      await tell(redis, mended);
      await postern.changed(2);
      assert.equal(await takeAll(postern), 3);
      assert.deepEqual(postern.changes.slice(1), [null]);
    },
  );
}
