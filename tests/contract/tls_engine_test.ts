import assert from "node:assert/strict";
import { createSecureContext } from "node:tls";
import { createEngineFactory } from "../../src/io/tls_engine.ts";
import { testCertificates } from "../support/certificates.ts";

Deno.test("the runtime has the TLS engine that is faster than its streams", async () => {
  const { server } = await testCertificates();
  const context = createSecureContext({ cert: server.certificate, key: server.key });
  assert.notEqual(createEngineFactory(context), null);
});
