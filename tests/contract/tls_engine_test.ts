import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createSecureContext } from "node:tls";
import {
  createClientEngineFactory,
  createEngineFactory,
  keyForContext,
  type TlsEngine,
} from "../../src/io/tls_engine.ts";
import { testCertificates } from "../support/certificates.ts";

Deno.test("the runtime has the TLS engine that is faster than its streams", async () => {
  const { server } = await testCertificates();
  const context = createSecureContext({ cert: server.certificate, key: server.key });
  assert.notEqual(createEngineFactory(context), null);
  assert.notEqual(createClientEngineFactory(), null);
});

Deno.test("what is decrypted is put where it is wanted, and what has no room there is told", async () => {
  const { server: certificate } = await testCertificates();
  const context = createSecureContext({ cert: certificate.certificate, key: certificate.key });
  const told: Uint8Array[] = [];
  const events = { received: (clear: Uint8Array) => void told.push(clear), ended() {}, failed: assert.fail };
  const server = createEngineFactory(context)!(context, { requestCert: false, protocols: [] })(events);
  const client = createClientEngineFactory()!(createSecureContext(), "mail.test")(events);
  const nowhere = new Uint8Array(0);
  const give = (from: TlsEngine, to: TlsEngine, into = nowhere) => {
    const encrypted = from.takeEncrypted();
    return encrypted === null ? 0 : to.receive(encrypted, into);
  };
  for (let flight = 0; flight < 3; flight++) {
    give(client, server);
    give(server, client);
  }
  assert.deepEqual([client.established, server.established], [true, true]);
  const said = new TextEncoder().encode("MAIL FROM:<a@client.test>");
  for (const room of [25, 100, 10, 0]) {
    const into = new Uint8Array(room);
    told.length = 0;
    client.send(said);
    const octets = give(client, server, into);
    assert.equal(octets, Math.min(room, said.length));
    assert.deepEqual(into.subarray(0, octets), said.subarray(0, octets));
    assert.deepEqual(told, octets < said.length ? [said.subarray(octets)] : []);
  }
  // More than an engine takes in one part, in which records begin and end anywhere.
  const lots = new Uint8Array(100_000).map((_, at) => at % 251);
  for (const room of [200_000, 100_000, 70_001, 0]) {
    const into = new Uint8Array(room);
    told.length = 0;
    for (let from = 0; from < lots.length; from += 40_000) client.send(lots.subarray(from, from + 40_000));
    const octets = give(client, server, into);
    const rest = await new Blob(told as BlobPart[]).bytes();
    assert.deepEqual([octets, rest.length], [Math.min(room, lots.length), lots.length - octets]);
    assert.deepEqual(into.subarray(0, octets), lots.subarray(0, octets));
    assert.deepEqual(rest, lots.subarray(octets));
  }
  client.release();
  server.release();
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
