import assert from "node:assert/strict";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { createDialer } from "../../../src/io/dialer.ts";
import { refusal, ServerCertificateReader } from "../../../src/io/server_identity.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import { readCertificate } from "../../../src/io/x509_certificate.ts";
import { Authority, testCertificates } from "../../support/certificates.ts";
import { peerTest, runPeer } from "../../support/peers.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";
import { connectedPair } from "./pair.ts";
import { acceptorOptions, pemOf, upstreamOptions, WAYS } from "./tls_pair.ts";

async function serverDer(): Promise<Uint8Array> {
  const { server } = await testCertificates();
  return derOf(server.certificate);
}

function derOf(pem: string): Uint8Array {
  return new Uint8Array(readCertificate(pem).parsed.rawData);
}

/** `der` with one octet changed, which is found after `before`. */
function changed(der: Uint8Array, before: string, octet: number): Uint8Array {
  const at = der.toHex().indexOf(before) / 2 + before.length / 2;
  assert.ok(at > before.length / 2, "not found in the certificate");
  const copy = der.slice();
  copy[at] = octet;
  return copy;
}

function read(der: Uint8Array) {
  return new ServerCertificateReader().read(der);
}

const VERSION = "a0030201";
/** The algorithm and the curve of a P-256 key, and the BIT STRING that follows, up to the count of its unused bits. */
const KEY = "06082a8648ce3d030107" + "0342";

Deno.test("a server is refused for anything that is left open", async () => {
  const der = await serverDer();
  const certificate = read(der);
  const good = { chainError: "", resumed: false, certificate, authorities: [] };
  const own = { serverName: "mail.test", trustedCertificates: "own" };
  const byDefault = { ...own, trustedCertificates: null };
  const old = changed(der, VERSION, 0);
  const { root } = await testCertificates();
  const authority = read(derOf(root.certificate));
  const rows = [
    ["all is well", good, null],
    ["the runtime refuses the chain", { ...good, chainError: "UNABLE_TO_VERIFY" }, /^UNABLE_TO_VERIFY$/],
    ["the runtime says nothing", { ...good, chainError: undefined as unknown as string }, /undefined/],
    ["the session was resumed", { ...good, resumed: true }, /resumed/],
    ["there is no certificate", { ...good, certificate: null }, /none/],
    ["it is of version 1", { ...good, certificate: { ...certificate, defect: read(old).defect } }, /version/],
    ["the key is not in DER", { ...good, certificate: read(changed(der, KEY, 4)) }, /form of the key/],
    ["it is no certificate", { ...good, certificate: read(Uint8Array.of(1, 2, 3)) }, /cannot be read/],
    ["an authority came along", { ...good, authorities: [authority] }, null],
    ["one of version 1 came along", { ...good, authorities: [read(old)] }, /version/],
    [
      "one that is no authority's came along",
      { ...good, authorities: [authority, certificate] },
      /no authority/,
    ],
    [
      "what came along is no certificate",
      { ...good, authorities: [read(Uint8Array.of(48, 0))] },
      /cannot be read/,
    ],
  ] as const;
  for (const options of [own, byDefault]) {
    for (const [what, presented, expected] of rows) {
      const reason = refusal(presented, options);
      if (expected === null) assert.equal(reason, null, what);
      else assert.match(reason ?? "accepted", expected, what);
    }
  }
});

/** `der` with other octets in place of the first `from`, all in hexadecimal. */
function replaced(der: Uint8Array, from: RegExp, to: string): Uint8Array {
  const digits = der.toHex();
  assert.match(digits, from);
  return Uint8Array.fromHex(digits.replace(from, to));
}

/** Forms of a certificate that leave what its issuer has signed as it is: anybody can make them. */
const OUTER_FORMS: Readonly<Record<string, (der: Uint8Array) => Uint8Array>> = {
  "more behind it": (der) => replaced(der, /$/, "0500"),
  "a length in more octets than it needs": (der) => replaced(der, /^3082/, "308300"),
};

const UTC_TIME = /170d(3\d3\d)(3\d){10}5a/;
const ascii = (text: string) => new TextEncoder().encode(text).toHex();
const utcTime = (text: string) => `170d${ascii(text)}`;

Deno.test("a certificate that the runtime's TLS library cannot read proves nothing, of a server or of an authority", async () => {
  const { root } = await testCertificates();
  const forms: Readonly<Record<string, (der: Uint8Array) => Uint8Array>> = {
    ...OUTER_FORMS,
    "dates with a time zone": (der) => replaced(der, UTC_TIME, `170d${ascii("25010100+0100")}`),
    "dates before 1970": (der) => replaced(der, UTC_TIME, utcTime("600101000000Z")),
    "a day that is not in its month": (der) => replaced(der, UTC_TIME, utcTime("250230000000Z")),
    "a month that there is not": (der) => replaced(der, UTC_TIME, utcTime("251301000000Z")),
    "a second that there is not": (der) => replaced(der, UTC_TIME, utcTime("250101000060Z")),
    "dates of another kind": (der) => replaced(der, UTC_TIME, `130d${ascii("250101000000Z")}`),
    "a truth that is not FF": (der) => replaced(der, /0101ff/, "010101"),
  };
  for (const der of [await serverDer(), derOf(root.certificate)]) {
    for (const [what, form] of Object.entries(forms)) {
      // The server's certificate has no critical extension.
      if (what.startsWith("a truth") && !der.toHex().includes("0101ff")) continue;
      const { defect, defectAbove } = read(form(der));
      assert.match(defect ?? "none", /form of|cannot be read/, what);
      assert.equal(defectAbove, defect, what);
    }
    const good = replaced(der, UTC_TIME, utcTime("240229235959Z"));
    assert.deepEqual(read(good).defect, null);
  }
});

Deno.test("extensions by which a chain is judged are written as the runtime's TLS library reads them", async () => {
  const { root } = await testCertificates();
  const rows: readonly (readonly [oid: string, value: string, accepted: boolean])[] = [
    ["2.5.29.19", "3000", true],
    ["2.5.29.19", "3003010100", true],
    ["2.5.29.19", "30030101ff", true],
    ["2.5.29.19", "3003010101", false],
    ["2.5.29.19", "30030201ff", false],
    ["2.5.29.19", "308100", false],
    ["2.5.29.37", "300a06082b06010505070301", true],
    ["2.5.29.37", "300b0681082b06010505070301", false],
    ["2.5.29.37", "30810a06082b06010505070301", false],
    ["2.5.29.37", "300c06082b060105050703010500", false],
    ["2.5.29.37", "300c06082b060105050703010600", false],
    ["2.5.29.37", "300906082b06010505070301", false],
  ];
  for (const [oid, value, accepted] of rows) {
    const extension = new x509.Extension(oid, false, Uint8Array.fromHex(value));
    const holder = await Authority.create({ subject: "CA", bare: true, extensions: [extension] }, root);
    const { defect } = read(derOf(holder.certificate));
    if (accepted) assert.equal(defect, null, value);
    else assert.match(defect ?? "accepted", /form of|cannot be read/, value);
  }
});

for (const way of WAYS) {
  Deno.test(`who has a certificate is no authority, whatever he makes of its form (${way})`, async () => {
    const { root } = await testCertificates();
    const holder = await Authority.create({ subject: "holder.test", isAuthority: false }, root);
    const forged = await holder.issue({ subject: "mail.test", names: ["mail.test"] });
    const [leaf, own] = forged.certificate.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n?/g)!;
    for (const form of [(der: Uint8Array) => der, ...Object.values(OUTER_FORMS)]) {
      const changed = form(derOf(own!)).toBase64();
      const certificate = `${leaf}-----BEGIN CERTIFICATE-----\n${changed}\n-----END CERTIFICATE-----\n`;
      const acceptor = createTlsAcceptor(
        await acceptorOptions({ certificates: [pemOf({ ...forged, certificate })] }),
      );
      const plain = await connectedPair();
      const serving = acceptor.accept(plain.server).catch(() => null);
      await assert.rejects(createDialer(way).startTls(plain.client, await upstreamOptions()), {
        code: "certificate",
      });
      (await serving)?.close();
      plain.server.close();
    }
  });
}

Deno.test("what is over or has not begun is told as that", async () => {
  const certificate = read(await serverDer());
  const presented = { chainError: "UNABLE_TO_VERIFY", resumed: false, authorities: [] };
  const options = { serverName: "mail.test", trustedCertificates: null };
  for (
    const [dates, expected] of [
      [{ notAfter: 1 }, "CERT_HAS_EXPIRED"],
      [{ notBefore: Infinity }, "CERT_NOT_YET_VALID"],
    ] as const
  ) {
    assert.equal(refusal({ ...presented, certificate: { ...certificate, ...dates } }, options), expected);
  }
});

Deno.test("a certificate is read once, and only so many are kept", async () => {
  const der = await serverDer();
  const reader = new ServerCertificateReader();
  const first = reader.read(der);
  assert.equal(reader.read(der.slice()), first);
  for (let count = 0; count < 100; count++) reader.read(Uint8Array.of(48, count));
  assert.notEqual(reader.read(der), first);
});

const OPENSSL = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(" ");

for (const way of WAYS) {
  peerTest(`what a certificate of version 1 has signed is refused (${way})`, ["openssl"], async () => {
    await withTempDir(async (directory) => {
      const run = async (...args: string[]) => {
        const { code, stderr } = await runPeer("openssl", args);
        assert.equal(code, 0, stderr);
      };
      const { names } = await writeFiles(directory, { names: "subjectAltName=DNS:mail.test\n" });
      const file = (name: string) => `${directory}/${name}`;
      const issue = async (name: string, issuer: string, extensions: readonly string[] = []) => {
        await run(...OPENSSL, "-subj", `/CN=${name}`, "-keyout", file(`${name}.key`), "-out", file("csr"));
        await run(
          ...[
            "x509",
            "-req",
            "-in",
            file("csr"),
            "-CA",
            file(`${issuer}.pem`),
            "-CAkey",
            file(`${issuer}.key`),
          ],
          ...["-CAcreateserial", "-days", "2", "-out", file(`${name}.pem`), ...extensions],
        );
      };
      await run(
        ...OPENSSL,
        "-x509",
        "-subj",
        "/CN=root",
        "-keyout",
        file("root.key"),
        "-out",
        file("root.pem"),
      );
      await issue("old", "root");
      await issue("below", "old", ["-extfile", names]);
      const pem = (name: string) => Deno.readTextFileSync(file(name));
      const below = { certificate: pem("below.pem") + pem("old.pem"), key: pem("below.key") };
      const acceptor = createTlsAcceptor(await acceptorOptions({ certificates: [pemOf(below)] }));
      const plain = await connectedPair();
      const serving = acceptor.accept(plain.server).catch(() => null);
      await assert.rejects(
        createDialer(way).startTls(
          plain.client,
          await upstreamOptions({ trustedCertificates: pem("root.pem") }),
        ),
        { code: "certificate", message: /unsupported certificate version/ },
      );
      (await serving)?.close();
      plain.server.close();
    });
  });
}
