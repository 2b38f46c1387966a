/**
 * Running Posterns that share the counts of limits in a Redis.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DialogueClient } from "../support/dialogue_client.ts";
import { certificateFiles, withEdge } from "../support/edge.ts";
import { peerTest } from "../support/peers.ts";
import type { PosternProcess } from "../support/postern_process.ts";
import { RedisServer } from "../support/redis_server.ts";
import { refused } from "../support/scripted_callout.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** Opens connections to the Posterns in turn until nobody is let in any more, at most `most`. */
async function fill(posterns: readonly PosternProcess[], most: number): Promise<DialogueClient[]> {
  const clients: DialogueClient[] = [];
  for (let turn = 0; turn < most; turn++) {
    const client = await DialogueClient.connect({ port: posterns[turn % posterns.length]!.port() });
    const first = await client.expect(/^(220|421) /);
    if (first.startsWith("220 ")) clients.push(client);
    else await client[Symbol.asyncDispose]();
  }
  return clients;
}

async function leave(clients: DialogueClient[]): Promise<void> {
  for (const client of clients.splice(0)) {
    await client.quit();
    await client[Symbol.asyncDispose]();
  }
}

const setup = (redis: RedisServer, more: Readonly<Record<string, unknown>> = {}) => ({
  callout: () => refused("wrong", "Auth-Wait: 1"),
  mail: () => ({
    worker_processes: 2,
    limit_store: `redis://127.0.0.1:${redis.port}`,
    limit_store_timeout: "5s",
    limit_conn: "client 5",
    ...more,
  }),
});

peerTest("two Posterns count together in a Redis, go on without it, and count again when it is back", [
  "redis-server",
], async () => {
  await using redis = await RedisServer.start();
  await withEdge(setup(redis), async ({ postern: first }) => {
    await withEdge(setup(redis), async ({ postern: second }) => {
      const both = [first, second];
      const clients = await fill(both, 12);
      assert.equal(clients.length, 5);

      await redis.kill();
      for (const postern of both) {
        const failed = await postern.event("limit_store_failed");
        assert.equal(failed["server"], `127.0.0.1:${redis.port}`);
      }
      // Nobody is counted, and everybody let in.
      clients.push(...await fill(both, 6));
      assert.equal(clients.length, 11);

      await redis.start();
      for (const postern of both) await postern.event("limit_store_back");
      // Those who came meanwhile count now.
      assert.equal((await fill(both, 4)).length, 0);
      await leave(clients);
      for (const postern of both) {
        const open = () => postern.log.filter(({ event }) => event === "client_connected").length;
        for (let conn = 1; conn <= open(); conn++) {
          await postern.event("session_closed", (line) => line["conn"] === conn);
        }
        assert.equal(postern.log.filter(({ event }) => event === "limit_store_failed").length, 1);
      }
      const again = await fill(both, 8);
      assert.equal(again.length, 5);
      await leave(again);
    });
  });
});

peerTest("where the store fails closed, clients are sent away for the time", ["redis-server"], async () => {
  await using redis = await RedisServer.start();
  await redis.kill();
  await withEdge(setup(redis, { limit_store_failure: "closed" }), async ({ connect, postern }) => {
    await postern.event("limit_store_failed");
    await using client = await connect(0, { greeting: false });
    await client.expect("421 4.3.2 mail.test Service not available, try again later");
    await client.expectEnd();
    await redis.start();
    await postern.event("limit_store_back");
    await using later = await connect();
    await later.quit();
  });
});

peerTest("an address that guesses passwords is banned at every Postern, over TLS and with a password", [
  "redis-server",
], async () => {
  await withTempDir(async (directory) => {
    const files = await certificateFiles(directory);
    await using redis = await RedisServer.startTls(`${directory}/server.pem`, `${directory}/server.key`, [
      "--requirepass",
      "s3cret-of-redis",
    ]);
    await Deno.writeTextFile(`${directory}/redis.password`, "s3cret-of-redis\n");
    const options = setup(redis, {
      limit_store: `rediss://localhost:${redis.port}`,
      limit_store_password_file: `${directory}/redis.password`,
      limit_store_ssl_trusted_certificate: files.root,
      limit_conn: "off",
      limit_login: "client ban=3",
    });
    await withEdge(options, async ({ postern: first, connect }) => {
      await withEdge(options, async ({ postern: second, connect: connectToSecond }) => {
        for (let turn = 1; turn <= 3; turn++) {
          await using client = await (turn === 2 ? connectToSecond() : connect());
          await client.authPlain("ada", `wrong ${turn}`, /^535 /);
        }
        for (const to of [connect, connectToSecond]) {
          await using client = await to(0, { greeting: false });
          await client.expect("421 4.7.0 mail.test Too many failed logins, try again later");
        }
        const log = JSON.stringify([first.log, second.log]);
        assert.doesNotMatch(log, /s3cret|wrong \d|limit_store_failed/);
      });
    });
  });
});

for (const trusted of [true, false]) {
  const what = trusted ? "counts" : "is refused";
  peerTest(
    `without authorities of our own a store ${what} that the runtime ${
      trusted ? "trusts" : "does not trust"
    }`,
    [
      "redis-server",
    ],
    async () => {
      await withTempDir(async (directory) => {
        const files = await certificateFiles(directory);
        await using redis = await RedisServer.startTls(
          `${directory}/server.pem`,
          `${directory}/server.key`,
          [],
        );
        const options = {
          ...setup(redis, { limit_store: `rediss://127.0.0.1:${redis.port}`, limit_store_failure: "closed" }),
          env: trusted ? { DENO_CERT: files.root } : {},
        };
        await withEdge(options, async ({ postern }) => {
          if (!trusted) {
            const { msg } = await postern.event("limit_store_failed");
            assert.match(String(msg), /Cannot accept the certificate for "127.0.0.1"/);
          }
          const clients = await fill([postern], 7);
          assert.equal(clients.length, trusted ? 5 : 0);
          await leave(clients);
        });
      });
    },
  );
}
