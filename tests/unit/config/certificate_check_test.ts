import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { certificateFault, keyFault, revocationListFault } from "../../../src/config/certificate_check.ts";
import { testCertificates } from "../../support/certificates.ts";
import { loadBad, loadGood } from "./reading.ts";

Deno.test("certificateFault() takes PEM certificates, one or a chain, and nothing else", async () => {
  const { server, clientOfIntermediate, revocationList } = await testCertificates();
  assert.equal(certificateFault(server.certificate), null);
  assert.equal(certificateFault(clientOfIntermediate.certificate), null);
  assert.equal(certificateFault(server.certificate + server.key), null);
  assert.equal(certificateFault(""), "it has no PEM certificate");
  assert.equal(certificateFault(server.key), "it has no PEM certificate");
  assert.equal(certificateFault(revocationList), "it has no PEM certificate");
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  assert.equal(certificateFault(server.certificate + broken), "certificate 2 of 2 cannot be parsed");
});

Deno.test("keyFault() finds a key that is not the certificate's", async () => {
  const { server, serverRsa, otherServer } = await testCertificates();
  assert.equal(keyFault(server.certificate, server.key, []), null);
  assert.equal(keyFault(serverRsa.certificate, serverRsa.key, []), null);
  assert.equal(
    keyFault(server.certificate, otherServer.key, []),
    "the key does not belong to the certificate",
  );
  assert.equal(keyFault(server.certificate, serverRsa.key, []), "the key does not belong to the certificate");
  assert.match(keyFault(server.certificate, "", []) ?? "", /no PEM private key/);
});

Deno.test("keyFault() opens an encrypted key with one of the pass phrases", async () => {
  const { server } = await testCertificates();
  const encrypted = createPrivateKey(server.key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "sesame",
  }) as string;
  assert.equal(keyFault(server.certificate, encrypted, ["wrong", "sesame"]), null);
  assert.equal(keyFault(server.certificate, encrypted, ["wrong"]), "no pass phrase opens the key");
  assert.match(keyFault(server.certificate, encrypted, []) ?? "", /"ssl_password_file" is needed/);
});

Deno.test("revocationListFault() takes PEM revocation lists and nothing else", async () => {
  const { server, revocationList } = await testCertificates();
  assert.equal(revocationListFault(revocationList), null);
  assert.match(revocationListFault(server.certificate) ?? "", /no PEM revocation list/);
  assert.match(revocationListFault(revocationList.replace(/\n[^-]{10}/, "\n")) ?? "", /cannot be parsed/);
});

const TLS = (directives: string) =>
  `mail:\n  auth_http: 127.0.0.1:9000\n  servers:\n    - listen: 25\n      ${
    directives.replaceAll("; ", "\n      ")
  }\n`;

Deno.test("loadConfig() reads the files that a server names", async () => {
  const { server, otherServer, root, revocationList } = await testCertificates();
  const files = {
    "a.pem": server.certificate,
    "a.key": server.key,
    "b.pem": otherServer.certificate,
    "b.key": otherServer.key,
    "ca.pem": root.certificate,
    "crl.pem": revocationList,
  };
  const good = loadGood(
    TLS(
      "ssl_certificate: [a.pem, b.pem]; ssl_certificate_key: [a.key, b.key]; ssl_client_certificate: ca.pem; " +
        "ssl_crl: crl.pem; starttls: on; ssl_verify_client: on; smtp_auth: external",
    ),
    files,
  );
  assert.deepEqual(good.servers[0]?.ssl_certificates, [
    { certificate: "a.pem", key: "a.key" },
    { certificate: "b.pem", key: "b.key" },
  ]);
  const rows: readonly (readonly [string, RegExp])[] = [
    [
      "ssl_certificate: x.pem; ssl_certificate_key: a.key",
      /ssl_certificate: cannot read "x\.pem": no such file/,
    ],
    [
      "ssl_certificate: a.pem; ssl_certificate_key: x.key",
      /ssl_certificate_key: cannot read "x\.key": no such file/,
    ],
    [
      "ssl_certificate: [a.pem, b.pem]; ssl_certificate_key: [b.key, a.key]",
      /ssl_certificate_key: "b\.key" for "a\.pem": the key does not belong/,
    ],
    [
      "ssl_certificate: a.key; ssl_certificate_key: a.key",
      /"a\.key" cannot be used: it has no PEM certificate/,
    ],
    ["ssl_crl: ca.pem", /ssl_crl: "ca\.pem" cannot be used: it has no PEM revocation list/],
    ["ssl_client_certificate: a.key", /ssl_client_certificate: "a\.key" cannot be used/],
    ["ssl_trusted_certificate: x.pem", /ssl_trusted_certificate: cannot read/],
    ["proxy_ssl_trusted_certificate: x.pem", /proxy_ssl_trusted_certificate: cannot read/],
    ["auth_http_ssl_trusted_certificate: x.pem", /auth_http_ssl_trusted_certificate: cannot read/],
    ["ssl_password_file: x", /ssl_password_file: cannot read/],
    [
      "proxy_ssl_certificate: a.pem; proxy_ssl_certificate_key: b.key",
      /proxy_ssl_certificate_key: "b\.key" for "a\.pem"/,
    ],
  ];
  for (const [directives, expected] of rows) {
    assert.match(loadBad(TLS(directives), files).join("\n"), expected, directives);
  }
});
