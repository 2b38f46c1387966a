import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { ServerCertificates } from "../../../src/io/server_certificates.ts";
import { testCertificates } from "../../support/certificates.ts";

Deno.test("an encrypted key is opened with the pass phrase that fits", async () => {
  const { server, serverRsa } = await testCertificates();
  for (const { certificate, key } of [server, serverRsa]) {
    const keyPem = createPrivateKey(key).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "right",
    }) as string;
    assert.match(keyPem, /ENCRYPTED/);
    const made = new ServerCertificates([{
      certificatePem: certificate,
      keyPem,
      passphrases: ["wrong", "right"],
    }], {});
    assert.equal(made.choose("unknown.test"), made.choose(null));
    for (const passphrases of [["wrong"], []]) {
      assert.throws(
        () => new ServerCertificates([{ certificatePem: certificate, keyPem, passphrases }], {}),
        /no pass phrase fits/,
      );
    }
  }
});

Deno.test("of two certificates for one name the first is taken, and exact names win over wildcards", async () => {
  const made = await testCertificates();
  const exact = await made.root.issue({ subject: "x", names: ["a.wild.test"] });
  const all = [made.server, made.wildcard, exact, made.serverRsa];
  const certificates = new ServerCertificates(
    all.map(({ certificate, key }) => ({ certificatePem: certificate, keyPem: key })),
    {},
  );
  const [server, wildcard, single] = ["mail.test", "b.wild.test", "a.wild.test"].map((name) =>
    certificates.choose(name)
  );
  assert.equal(new Set([server, wildcard, single]).size, 3);
  assert.equal(certificates.choose(null), server);
  assert.equal(certificates.choose("A.WILD.TEST"), single);
});
