/** The store of limits over TLS: which servers it speaks with, and what an impostor hears of it. */
import assert from "node:assert/strict";
import type { RedisTarget } from "../../../src/limits/redis_sign_in.ts";
import {
  Authority,
  type CertificateAndKey,
  selfSigned,
  type TestCertificates,
  testCertificates,
} from "../../support/certificates.ts";
import { forgedChains, withTlsServer } from "../../support/forged_chains.ts";
import { peerTest } from "../../support/peers.ts";
import { RedisServer } from "../../support/redis_server.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";
import { Postern, targetOf } from "./redis_postern.ts";
import { holds } from "./store_cases.ts";

Deno.test("an impostor is refused, and hears no password", async () => {
  const { root } = await testCertificates();
  for (const { what, ...forged } of await forgedChains("localhost")) {
    await withTlsServer(forged, async (impostor) => {
      const address = { kind: "tcp", host: "localhost", port: impostor.port } as const;
      const trustedCertificates = root.certificate;
      const more = { address, tls: true, trustedCertificates, user: "ada", password: "s3cret-of-redis" };
      await using postern = new Postern(targetOf(impostor.port, more), { timeoutMs: 5_000 });
      await postern.changed(1);
      assert.deepEqual([impostor.heard, what], ["", what]);
      assert.match(postern.changes[0]!, /certificate/i, what);
    });
  }
});

/** A redis-server with TLS that shows `shown`; `more` is the store's, by a name for which most certificates are. */
async function withRedis(
  shown: CertificateAndKey,
  more: Partial<RedisTarget>,
  use: (postern: Postern) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const { pem, key } = await writeFiles(directory, { pem: shown.certificate, key: shown.key });
    await using redis = await RedisServer.startTls(pem, key, ["--requirepass", "s3cret-of-redis"]);
    const address = { kind: "tcp", host: "localhost", port: redis.port } as const;
    const target = targetOf(redis.port, { address, tls: true, password: "s3cret-of-redis", ...more });
    await using postern = new Postern(target, { timeoutMs: 10_000, open: false });
    await use(postern);
  });
}

type Shown = readonly [
  what: string,
  of: (made: TestCertificates) => Promise<CertificateAndKey> | CertificateAndKey,
];
const NAMED = { subject: "localhost", names: ["localhost"] };

const ACCEPTED: readonly Shown[] = [
  ["with its name", ({ server }) => server],
  ["with an RSA key", ({ serverRsa }) => serverRsa],
  ["of an authority below ours", ({ intermediate }) => intermediate.issue(NAMED)],
];

for (const [what, of] of ACCEPTED) {
  peerTest(`a Redis is spoken with that shows a certificate ${what}`, ["redis-server"], async () => {
    const made = await testCertificates();
    await withRedis(await of(made), { trustedCertificates: made.root.certificate }, async (postern) => {
      assert.equal(await postern.store.admit(holds(["conn total  ", 1])), null);
      assert.deepEqual(await postern.store.admit(holds(["conn total  ", 1])), { over: "hold", index: 0 });
      assert.deepEqual([postern.unanswered, postern.changes], [0, []]);
    });
  });
}

const REFUSED: readonly Shown[] = [
  ["of a stranger", ({ stranger }) => stranger.issue(NAMED)],
  ["of a stranger of the authority's name", async () => {
    return await (await Authority.create({ subject: "Postern Test Root" })).issue(NAMED);
  }],
  ["for another name", ({ otherServer }) => otherServer],
  ["that is over", ({ expiredServer }) => expiredServer],
  ["for clients", ({ root }) => root.issue({ ...NAMED, usages: ["clientAuth"] })],
  ["of its own", () => selfSigned(["localhost"])],
];

for (const [what, of] of REFUSED) {
  peerTest(`a Redis is refused that shows a certificate ${what}`, ["redis-server"], async () => {
    const made = await testCertificates();
    await withRedis(await of(made), { trustedCertificates: made.root.certificate }, async (postern) => {
      assert.deepEqual(await postern.store.admit(holds(["conn total  ", 1])), { over: "store" });
      await postern.changed(1);
      assert.match(postern.changes[0]!, /^Cannot accept the certificate for "localhost": /);
    });
  });
}

peerTest(
  "the runtime's authorities are asked where there are none of our own",
  ["redis-server"],
  async () => {
    const { server } = await testCertificates();
    await withRedis(server, { trustedCertificates: null }, async (postern) => {
      assert.deepEqual(await postern.store.admit(holds(["conn total  ", 1])), { over: "store" });
      await postern.changed(1);
      assert.match(postern.changes[0]!, /^Cannot accept the certificate for "localhost": /);
    });
  },
);
