import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createSecureContext } from "node:tls";
import { createClientEngineFactory, createEngineFactory, keyForContext } from "../../src/io/tls_engine.ts";
import { testCertificates } from "../support/certificates.ts";

Deno.test("the runtime has the TLS engine that is faster than its streams", async () => {
  const { server } = await testCertificates();
  const context = createSecureContext({ cert: server.certificate, key: server.key });
  assert.notEqual(createEngineFactory(context), null);
  assert.notEqual(createClientEngineFactory(), null);
});

Deno.test("a key is given to the runtime in the form in which it knows the kind, and is the same key", () => {
  const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
  const rows: readonly (readonly [KeyObject, form: string])[] = [
    [ec("prime256v1"), "EC PRIVATE KEY"],
    [ec("secp384r1"), "EC PRIVATE KEY"],
    [ec("secp521r1"), "PRIVATE KEY"],
    [generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey, "PRIVATE KEY"],
    [generateKeyPairSync("ed25519").privateKey, "PRIVATE KEY"],
  ];
  for (const [key, form] of rows) {
    const pem = keyForContext(key);
    assert.equal(pem.slice(0, pem.indexOf("\n")), `-----BEGIN ${form}-----`);
    assert.ok(createPrivateKey(pem).equals(key));
  }
});
