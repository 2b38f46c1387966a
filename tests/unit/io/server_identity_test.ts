import assert from "node:assert/strict";
import { createDialer } from "../../../src/io/dialer.ts";
import { refusal, ServerCertificateReader } from "../../../src/io/server_identity.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import { readCertificate } from "../../../src/io/x509_certificate.ts";
import { testCertificates } from "../../support/certificates.ts";
import { peerTest, runPeer } from "../../support/peers.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";
import { connectedPair } from "./pair.ts";
import { acceptorOptions, pemOf, upstreamOptions, WAYS } from "./tls_pair.ts";

async function serverDer(): Promise<Uint8Array> {
  const { server } = await testCertificates();
  return new Uint8Array(readCertificate(server.certificate).parsed.rawData);
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
  const rows = [
    ["all is well", good, null],
    ["the runtime refuses the chain", { ...good, chainError: "UNABLE_TO_VERIFY" }, /^UNABLE_TO_VERIFY$/],
    ["the runtime says nothing", { ...good, chainError: undefined as unknown as string }, /undefined/],
    ["the session was resumed", { ...good, resumed: true }, /resumed/],
    ["there is no certificate", { ...good, certificate: null }, /none/],
    ["it is of version 1", { ...good, certificate: { ...certificate, defect: read(old).defect } }, /version/],
    ["the key is not in DER", { ...good, certificate: read(changed(der, KEY, 4)) }, /form of the key/],
    ["it is no certificate", { ...good, certificate: read(Uint8Array.of(1, 2, 3)) }, /cannot be read/],
    ["what came along is of version 3", { ...good, authorities: [der] }, null],
    ["what came along is of version 1", { ...good, authorities: [old] }, /version/],
    ["what came along is no certificate", { ...good, authorities: [Uint8Array.of(48, 0)] }, /version/],
  ] as const;
  for (const options of [own, byDefault]) {
    for (const [what, presented, expected] of rows) {
      const reason = refusal(presented, options);
      if (expected === null) assert.equal(reason, null, what);
      else assert.match(reason ?? "accepted", expected, what);
    }
  }
});

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
