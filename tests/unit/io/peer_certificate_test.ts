import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { generateKeys, SIGNING } from "../../../scripts/self_signed.ts";
import { describeCertificate } from "../../../src/io/peer_certificate.ts";

async function make(subject: x509.JsonName, serialNumber = "0123"): Promise<x509.X509Certificate> {
  return await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    name: subject,
    notBefore: new Date(Date.now() - 1000),
    notAfter: new Date(Date.now() + 1_000_000),
    keys: await generateKeys("ecdsa"),
    signingAlgorithm: SIGNING.ecdsa,
  });
}

// The texts are what `openssl x509 -nameopt RFC2253` prints for these names.
const NAMES: [x509.JsonName, string][] = [
  [[{ O: ["Lab, Inc"] }, { CN: ["alice"] }], "CN=alice,O=Lab\\, Inc"],
  [
    [{ C: ["DE"] }, { ST: ["Bayern"] }, { L: ["München"] }, { CN: ['a"b<c>;+\\'] }],
    'CN=a\\"b\\<c\\>\\;\\+\\\\,L=M\\C3\\BCnchen,ST=Bayern,C=DE',
  ],
  [[{ CN: ["a#b c"] }, { OU: [" lead "] }], "OU=\\ lead\\ ,CN=a#b c"],
  [
    [{ DC: ["test"] }, { "0.9.2342.19200300.100.1.1": ["u1"] }, { E: ["a@b.test"] }],
    "emailAddress=a@b.test,UID=u1,DC=test",
  ],
  [[{ CN: ["a"], OU: ["b"] }], "OU=b+CN=a"],
  [[{ CN: ["line\r\nbreak\x7f"] }], "CN=line\\0D\\0Abreak\\7F"],
  [[{ CN: ["日本"] }, { "2.5.4.97": ["x"] }], "organizationIdentifier=x,CN=\\E6\\97\\A5\\E6\\9C\\AC"],
];

for (const [name, expected] of NAMES) {
  Deno.test(`a subject is ${expected} as OpenSSL writes it`, async () => {
    const described = describeCertificate(new Uint8Array((await make(name)).rawData));
    assert.equal(described?.subject, expected);
    assert.equal(described?.issuer, expected);
  });
}

Deno.test("serial numbers are whole octets without the sign octet", async () => {
  for (
    const [serial, expected] of [["0123", "0123"], ["00ff01", "FF01"], ["7f", "7F"], ["05", "05"]] as const
  ) {
    const described = describeCertificate(new Uint8Array((await make([{ CN: ["x"] }], serial)).rawData));
    assert.equal(described?.serial, expected);
  }
});

Deno.test("fingerprint, common name and PEM are of the certificate", async () => {
  const certificate = await make([{ CN: ["x"] }]);
  const der = new Uint8Array(certificate.rawData);
  const described = describeCertificate(der)!;
  assert.equal(described.fingerprint, createHash("sha1").update(der).digest("hex"));
  assert.equal(described.commonName, "x");
  assert.equal(described.pem, certificate.toString("pem") + "\n");
});

Deno.test("octets that are no certificate have no facts", () => {
  assert.equal(describeCertificate(Uint8Array.of(0x30, 3, 1, 1, 1)), null);
});
