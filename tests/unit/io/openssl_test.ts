/** The acceptor as OpenSSL's client sees it. */
import assert from "node:assert/strict";
import { openListener } from "../../../src/io/listener.ts";
import { createTlsAcceptor, type TlsAcceptorOptions } from "../../../src/io/tls_acceptor.ts";
import type { TlsFacts, Transport } from "../../../src/ports/transport.ts";
import { type CertificateAndKey, testCertificates } from "../../support/certificates.ts";
import { type PeerOutput, peerTest, runPeer } from "../../support/peers.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";
import { onTcp } from "./pair.ts";
import { acceptorOptions, pemOf } from "./tls_pair.ts";

interface Visit {
  /** Null when the handshake failed. */
  readonly facts: TlsFacts | null;
  readonly client: PeerOutput;
}

/** Sends back `length` octets, then ends. */
async function echoOctets(transport: Transport, length: number): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let left = length; left > 0;) {
    const got = await transport.read(buffer) ?? assert.fail("the client ended early");
    await transport.write(buffer.subarray(0, got));
    left -= got;
  }
  await transport.closeWrite();
}

/** Lets `openssl s_client` visit once for each list of arguments; each visit sends `input` and gets it back. */
async function visits(
  changes: Partial<TlsAcceptorOptions>,
  lists: readonly (readonly string[])[],
  input = "ping\n",
): Promise<Visit[]> {
  const acceptor = createTlsAcceptor(await acceptorOptions(changes));
  const listener = await openListener(onTcp("127.0.0.1"), { reusePort: false });
  const { address } = listener!;
  const target = `127.0.0.1:${address.kind === "tcp" ? address.port : 0}`;
  const results: Visit[] = [];
  for (const args of lists) {
    const running = runPeer("openssl", ["s_client", "-connect", target, "-ign_eof", ...args], input);
    const plain = (await listener.accept())!;
    let facts: TlsFacts | null = null;
    try {
      const tls = await acceptor.accept(plain);
      facts = tls.tls;
      await echoOctets(tls, input.length);
      await tls.read(new Uint8Array(1)); // the client's answer to our close_notify: its end
      tls.close();
    } catch {
      plain.close(); // the facts say that the handshake failed
    }
    results.push({ facts, client: await running });
  }
  listener.close();
  return results;
}

async function withClientFiles(
  owner: CertificateAndKey,
  body: (args: string[], directory: string) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const files = await writeFiles(directory, { cert: owner.certificate, key: owner.key });
    await body(["-cert", files.cert, "-key", files.key, "-cert_chain", files.cert], directory);
  });
}

peerTest("versions and ciphers are those that the client sees", ["openssl"], async () => {
  const { serverRsa } = await testCertificates();
  const tls12 = ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"];
  const [old, current] = await visits({ certificates: [pemOf(serverRsa)] }, [tls12, ["-tls1_3"]]);
  assert.equal(old!.facts?.protocol, "TLSv1.2");
  assert.equal(old!.facts?.cipher, "ECDHE-RSA-AES128-GCM-SHA256");
  assert.match(old!.client.stdout, /Cipher is ECDHE-RSA-AES128-GCM-SHA256/);
  assert.equal(current!.facts?.protocol, "TLSv1.3");
  assert.match(current!.client.stdout, new RegExp(`Cipher is ${current!.facts?.cipher}`));
});

peerTest("TLS 1.0 and 1.1 are refused", ["openssl"], async () => {
  const old = ["-tls1", "-tls1_1"].map((version) => [version, "-cipher", "ALL:@SECLEVEL=0"]);
  for (const { facts, client } of await visits({}, old)) {
    assert.equal(facts, null);
    assert.match(client.stderr, /alert protocol version/);
  }
});

peerTest("ALPN is smtp or nothing", ["openssl"], async () => {
  const [smtp, imap, none] = await visits({}, [["-alpn", "imap,smtp"], ["-alpn", "imap"], []]);
  assert.equal(smtp!.facts?.alpn, "smtp");
  assert.match(smtp!.client.stdout, /ALPN protocol: smtp/);
  assert.equal(imap!.facts, null);
  assert.match(imap!.client.stderr, /no application protocol/);
  assert.equal(none!.facts?.alpn, null);
});

peerTest("the server name chooses the certificate", ["openssl"], async () => {
  const made = await testCertificates();
  const certificates = [made.server, made.otherServer].map(pemOf);
  const lists = [["-servername", "other.test"], ["-servername", "unknown.test"], ["-noservername"]];
  const [other, unknown, none] = await visits({ certificates }, lists);
  assert.match(other!.client.stdout, /subject=CN = other.test/);
  assert.equal(other!.facts?.serverName, "other.test");
  assert.match(unknown!.client.stdout, /subject=CN = mail.test/);
  assert.equal(unknown!.facts?.serverName, "unknown.test");
  assert.equal(none!.facts?.serverName, null);
});

peerTest("the names of ssl_client_certificate are sent, those of ssl_trusted_certificate are not", [
  "openssl",
], async () => {
  const { root, stranger } = await testCertificates();
  const changes = {
    verifyClient: "on",
    clientCaPem: root.certificate,
    trustedPem: stranger.certificate,
  } as const;
  const [visit] = await visits(changes, [[]]);
  assert.match(visit!.client.stdout, /Acceptable client certificate CA names\nCN = Postern Test Root\n/);
  assert.doesNotMatch(visit!.client.stdout, /Stranger/);
});

for (const version of ["-tls1_2", "-tls1_3"]) {
  peerTest(
    `a resumed session keeps the client's certificate and judges it anew (${version})`,
    ["openssl"],
    async () => {
      const { root, clientOfIntermediate } = await testCertificates();
      await withClientFiles(clientOfIntermediate, async (client, directory) => {
        const session = `${directory}/session`;
        const changes = { verifyClient: "on", clientCaPem: root.certificate } as const;
        const [first, second] = await visits(changes, [
          [version, ...client, "-sess_out", session],
          [version, ...client, "-sess_in", session],
        ]);
        assert.equal(first!.facts?.resumed, false);
        assert.equal(second!.facts?.resumed, true);
        for (const { facts } of [first!, second!]) {
          assert.deepEqual(facts?.verdict, { kind: "success" });
          assert.equal(facts?.peer?.subject, "CN=bob");
        }
      });
    },
  );
}

peerTest("10 MB come back unchanged", ["openssl"], async () => {
  let line = 0;
  const input = Array.from(
    { length: 200_000 },
    () => `${line++} `.padEnd(49, "abcdefghijklmnopqrstuvwxyz") + "\n",
  ).join("");
  const [visit] = await visits({}, [["-quiet"]], input);
  assert.ok(
    visit!.client.stdout === input,
    `${visit!.client.stdout.length} of ${input.length} octets came back`,
  );
});
