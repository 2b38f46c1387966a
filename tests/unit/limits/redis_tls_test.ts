/** The store of limits over TLS: which servers it speaks with, and what an impostor hears of it. */
import assert from "node:assert/strict";
import { testCertificates } from "../../support/certificates.ts";
import { forgedChains, withTlsServer } from "../../support/forged_chains.ts";
import { Postern, targetOf } from "./redis_postern.ts";

Deno.test("a server that has no chain to our authorities is refused, and hears no password", async () => {
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
