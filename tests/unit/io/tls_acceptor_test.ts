import assert from "node:assert/strict";
import { createDialer } from "../../../src/io/dialer.ts";
import { openListener } from "../../../src/io/listener.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import { ConnectionError, type UpstreamTlsOptions } from "../../../src/ports/transport.ts";
import { testCertificates } from "../../support/certificates.ts";
import { ResettableStream } from "../../support/resettable_peer.ts";
import { connectedPair, echo, octets, onTcp, patternOctets, readToEnd, text } from "./pair.ts";
import {
  acceptorOptions,
  denoPair,
  pemOf,
  tlsPair,
  tlsPairWithDeno,
  tlsTest,
  upstreamOptions,
} from "./tls_pair.ts";
import { changed } from "../../support/changed_transport.ts";

const codeOf = (code: string) => (error: unknown) => error instanceof ConnectionError && error.code === code;

/** Reads the one record that comes, until the connection ends. */
async function readAll(socket: Deno.Conn): Promise<Uint8Array> {
  const parts: number[] = [];
  const buffer = new Uint8Array(4096);
  try {
    for (let length = await socket.read(buffer); length !== null; length = await socket.read(buffer)) {
      parts.push(...buffer.subarray(0, length));
    }
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionReset);
  }
  return Uint8Array.from(parts);
}

/** A TLS 1.2 ClientHello of `version` (0x0303) with `extensions`, and one ECDHE cipher suite. */
function clientHello(version: number, extensions: readonly number[]): Uint8Array {
  const body = [version >> 8, version & 255, ...Array(32).fill(7), 0, 0, 2, 0xc0, 0x2b, 1, 0];
  const hello = [...body, extensions.length >> 8, extensions.length & 255, ...extensions];
  const message = [1, 0, hello.length >> 8, hello.length & 255, ...hello];
  return Uint8Array.from([22, 3, 1, message.length >> 8, message.length & 255, ...message]);
}

const GROUPS = [0, 10, 0, 4, 0, 2, 0, 23]; // supported_groups: secp256r1
const ALGORITHMS = [0, 13, 0, 4, 0, 2, 4, 3]; // signature_algorithms: ecdsa_secp256r1_sha256
const IMAP = [0, 16, 0, 7, 0, 5, 4, 105, 109, 97, 112]; // application_layer_protocol_negotiation: imap

tlsTest("the handshake gives the facts, and octets go both ways", async (way) => {
  const { client, server } = await tlsPairWithDeno(way, {}, { alpnProtocols: ["smtp", "imap"] });
  assert.deepEqual(server.tls, {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
    serverName: "mail.test",
    alpn: "smtp",
    resumed: false,
    peer: null,
    verdict: { kind: "none" },
  });
  await server.write(octets("220 ready\r\n"));
  const buffer = new Uint8Array(100);
  assert.equal(text(buffer.subarray(0, await client.read(buffer) ?? 0)), "220 ready\r\n");
  await client.write(octets("QUIT\r\n"));
  assert.equal(text(buffer.subarray(0, await server.read(buffer) ?? 0)), "QUIT\r\n");
  client.close();
  server.close();
});

tlsTest("a read takes as much as its buffer holds, the rest stays", async (way) => {
  const { client, server } = await tlsPairWithDeno(way);
  await client.write(octets("abcdefgh"));
  const small = new Uint8Array(3);
  const parts: string[] = [];
  while (parts.join("").length < 8) parts.push(text(small.subarray(0, await server.read(small) ?? 0)));
  assert.deepEqual(parts, ["abc", "def", "gh"]);
  client.close();
  server.close();
});

tlsTest("10 MB come back unchanged from our server to Deno's client", async (way) => {
  const { client, server } = await tlsPairWithDeno(way);
  const sent = patternOctets(10_000_000);
  const echoed = echo(server);
  const written = (async () => {
    for (let at = 0; at < sent.length;) at += await client.write(sent.subarray(at, at + 100_000));
    await client.closeWrite();
  })();
  const got = new Uint8Array(sent.length);
  let at = 0;
  for (let length = await client.read(got.subarray(at)); length && at < got.length;) {
    at += length;
    length = at < got.length ? await client.read(got.subarray(at)) : 0;
  }
  assert.deepEqual(got, sent);
  await Promise.all([echoed, written]);
  client.close();
  server.close();
});

tlsTest("10 MB come back unchanged between our server and our client", async (way) => {
  const { client, server } = await tlsPair(way);
  const sent = patternOctets(10_000_000);
  const echoed = echo(server);
  const written = client.write(sent).then(() => client.closeWrite());
  assert.deepEqual(await readToEnd(client), sent);
  await Promise.all([echoed, written]);
  client.close();
  server.close();
});

tlsTest("a writer waits for a reader that does not read", async (way) => {
  const { client, server } = await tlsPair(way);
  let taken = 0;
  const writing = (async () => {
    const chunk = patternOctets(65536);
    for (;;) {
      await server.write(chunk);
      taken += chunk.length;
    }
  })();
  // The kernel's buffers fill and stay full: the count no longer moves while the loop turns.
  for (let before = -1, still = 0; still < 20; before = taken) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    still = taken === before ? still + 1 : 0;
  }
  assert.ok(taken < 32_000_000, `${taken} octets were taken`);
  const stopped = assert.rejects(writing, codeOf("closed"));
  server.close();
  await stopped;
  client.close();
});

tlsTest("closeWrite() ends one direction and leaves the other", async (way) => {
  const { client, server } = await tlsPair(way);
  await client.closeWrite();
  assert.equal(await server.read(new Uint8Array(1)), null);
  assert.equal(await server.read(new Uint8Array(1)), null);
  await server.write(octets("late"));
  await server.closeWrite();
  await server.closeWrite();
  assert.equal(text(await readToEnd(client)), "late");
  client.close();
  server.close();
});

tlsTest("close() ends a pending read and everything after it with code closed", async (way) => {
  const { client, server } = await tlsPair(way);
  const pending = assert.rejects(server.read(new Uint8Array(1)), codeOf("closed"));
  server.close();
  server.close();
  await pending;
  await assert.rejects(server.read(new Uint8Array(1)), codeOf("closed"));
  await assert.rejects(server.write(octets("x")), codeOf("closed"));
  await server.closeWrite();
  assert.equal(await client.read(new Uint8Array(1)).catch(() => null), null);
  client.close();
});

tlsTest("a record that was changed on its way ends the connection with code tls", async (way) => {
  const plain = await connectedPair();
  // Octets that the client did not encrypt come after its handshake.
  const [client, server] = await Promise.all([
    createDialer().startTls(plain.client, await upstreamOptions()),
    createTlsAcceptor(await acceptorOptions(), way).accept(plain.server),
  ]);
  const pending = assert.rejects(server.read(new Uint8Array(1)), codeOf("tls"));
  await plain.client.write(Uint8Array.of(23, 3, 3, 0, 32, ...Array(32).fill(1)));
  await pending;
  await assert.rejects(server.write(octets("x")), codeOf("reset"));
  client.close();
  server.close();
});

tlsTest("closing the plain connection aborts the handshake", async (way) => {
  const { client, server } = await connectedPair();
  const acceptor = createTlsAcceptor(await acceptorOptions(), way);
  const accepting = assert.rejects(acceptor.accept(server), codeOf("closed"));
  server.close();
  await accepting;
  client.close();
});

tlsTest("a peer that leaves in the handshake is a reset", async (way) => {
  const { client, server } = await connectedPair();
  const acceptor = createTlsAcceptor(await acceptorOptions(), way);
  const accepting = assert.rejects(acceptor.accept(server), codeOf("reset"));
  await client.write(clientHello(0x0303, [...GROUPS, ...ALGORITHMS]).subarray(0, 40));
  await client.closeWrite();
  await accepting;
  client.close();
});

tlsTest("a client that ends as soon as the handshake is done has done it", async (way) => {
  const { socket, server } = await denoPair();
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  let reads = 0;
  // The last flight of the handshake is read together with the close_notify behind it.
  const late = changed(server, {
    read: (into) => (reads++ === 0 ? server.read(into) : gone.then(() => server.read(into))),
  });
  const accepting = createTlsAcceptor(await acceptorOptions(), way).accept(late);
  const { root } = await testCertificates();
  const client = await Deno.startTls(socket, { hostname: "mail.test", caCerts: [root.certificate] });
  await client.handshake();
  await client.closeWrite();
  resolve();
  const secured = await accepting;
  assert.deepEqual(await readToEnd(secured), octets(""));
  await secured.write(octets("220 ready\r\n"));
  const buffer = new Uint8Array(100);
  assert.equal(text(buffer.subarray(0, await client.read(buffer) ?? 0)), "220 ready\r\n");
  client.close();
  secured.close();
});

for (const how of ["closes its connection", "resets it"]) {
  for (const count of [1, 2]) {
    tlsTest(
      `a peer that ${how} before it has sent anything is silent, with ${count} certificates`,
      async (way) => {
        const made = await testCertificates();
        const certificates = [pemOf(made.server), pemOf(made.otherServer)].slice(0, count);
        const listener = await openListener(onTcp("127.0.0.1"), { reusePort: false });
        const { address } = listener;
        const peer = await ResettableStream.connect(address.kind === "tcp" ? address.port : 0);
        const server = await listener.accept();
        listener.close();
        const acceptor = createTlsAcceptor(await acceptorOptions({ certificates }), way);
        const accepting = assert.rejects(acceptor.accept(server!), codeOf("silent"));
        await (how === "resets it" ? peer.reset() : peer.close());
        await accepting;
      },
    );
  }
}

const REFUSED = [
  { name: "plain SMTP", sent: octets("EHLO mail.test\r\nMAIL FROM:<a@b.test>\r\n"), alert: 10 },
  { name: "TLS 1.1", sent: clientHello(0x0302, GROUPS), alert: 70 },
  { name: "TLS 1.0", sent: clientHello(0x0301, GROUPS), alert: 70 },
  { name: "ALPN without smtp", sent: clientHello(0x0303, [...GROUPS, ...ALGORITHMS, ...IMAP]), alert: 120 },
];

for (const { name, sent, alert } of REFUSED) {
  for (const kinds of ["one certificate", "certificates to choose from"]) {
    tlsTest(
      `a handshake that begins with ${name} is refused with alert ${alert}, with ${kinds}`,
      async (way) => {
        const made = await testCertificates();
        const certificates = [pemOf(made.server)];
        if (kinds !== "one certificate") certificates.push(pemOf(made.otherServer));
        const { socket, server } = await denoPair();
        const acceptor = createTlsAcceptor(await acceptorOptions({ certificates }), way);
        const refused = assert.rejects(acceptor.accept(server), codeOf("tls"));
        await socket.write(sent);
        const answer = await readAll(socket);
        await refused;
        assert.deepEqual([...answer], [21, 3, 3, 0, 2, 2, alert]);
        socket.close();
      },
    );
  }
}

tlsTest("TLS 1.2 only and TLS 1.3 only are honoured", async (way) => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const { client, server } = await tlsPairWithDeno(way, { protocols: [version] });
    assert.equal(server.tls?.protocol, version);
    client.close();
    server.close();
  }
});

tlsTest("the server name chooses the certificate", async (way) => {
  const made = await testCertificates();
  const certificates = [made.server, made.otherServer, made.wildcard].map(pemOf);
  const rows = [
    ["mail.test", "mail.test"],
    ["other.test", "other.test"],
    ["OTHER.test", "other.test"],
    ["a.wild.test", "*.wild.test"],
    ["a.b.wild.test", "mail.test"],
    ["wild.test", "mail.test"],
    ["unknown.test", "mail.test"],
    ["127.0.0.1", "mail.test"],
  ] as const;
  for (const [serverName, expected] of rows) {
    const { client, server } = await tlsPair(way, { certificates }, { serverName, verify: false });
    assert.equal(client.tls?.peer?.commonName, expected, serverName);
    assert.equal(
      server.tls?.serverName?.toLowerCase() ?? null,
      serverName === "127.0.0.1" ? null : serverName.toLowerCase(),
    );
    client.close();
    server.close();
  }
});

tlsTest("a client's certificate is described and judged", async (way) => {
  const made = await testCertificates();
  const { client, clientOfIntermediate, expiredClient, strangerClient, revokedClient, server: noClient } =
    made;
  const rows = [
    [client, "success", "CN=alice,O=Lab\\, Inc"],
    [clientOfIntermediate, "success", "CN=bob"],
    [expiredClient, "certificate has expired", "CN=carol"],
    [strangerClient, "unable to verify the first certificate", "CN=eve"],
    [revokedClient, "success", "CN=mallory"],
    [noClient, "success", "CN=mail.test"],
  ] as const;
  for (const [{ certificate, key }, expected, subject] of rows) {
    const changes = { verifyClient: "optional", clientCaPem: made.root.certificate } as const;
    const upstream: Partial<UpstreamTlsOptions> = { certificate, certificateKey: key };
    const pair = await tlsPair(way, changes, upstream);
    const { peer, verdict } = pair.server.tls!;
    assert.equal(peer?.subject, subject);
    assert.equal(verdict.kind === "failed" ? verdict.reason : verdict.kind, expected);
    assert.equal(verdict.kind === "failed" && verdict.untrustedIssuer, /first certificate/.test(expected));
    assert.ok(certificate.startsWith(peer!.pem.slice(0, 200)));
    pair.client.close();
    pair.server.close();
  }
});

tlsTest("the verdict is none when no certificate is sent or asked for", async (way) => {
  const made = await testCertificates();
  const { certificate, key } = made.client;
  for (
    const [verifyClient, upstream] of [
      ["on", {}],
      ["off", { certificate, certificateKey: key }],
    ] as const
  ) {
    const { client, server } = await tlsPair(
      way,
      { verifyClient, clientCaPem: made.root.certificate },
      upstream,
    );
    assert.deepEqual(server.tls?.verdict, { kind: "none" });
    assert.equal(server.tls?.peer, null);
    client.close();
    server.close();
  }
});

tlsTest("revocation lists and trusted authorities are looked at", async (way) => {
  const made = await testCertificates();
  const { certificate, key } = made.revokedClient;
  const changes = {
    verifyClient: "on",
    trustedPem: made.root.certificate,
    crlPem: made.revocationList,
  } as const;
  const { client, server } = await tlsPair(way, changes, { certificate, certificateKey: key });
  assert.deepEqual(server.tls?.verdict, {
    kind: "failed",
    reason: "certificate revoked",
    untrustedIssuer: false,
  });
  client.close();
  server.close();
});

/** A key on secp256k1: OpenSSL can sign with it, TLS has no name for it. For `mail.test`, until 2126. */
const EXOTIC = {
  certificatePem: `-----BEGIN CERTIFICATE-----
MIIBkzCCATigAwIBAgIURxMDjqZSD8UdGq1mHhzt5PlwMLUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbWFpbC50ZXN0MCAXDTI2MTEyODA1NDgxNFoYDzIxMjYxMTA0
MDU0ODE0WjAUMRIwEAYDVQQDDAltYWlsLnRlc3QwVjAQBgcqhkjOPQIBBgUrgQQA
CgNCAATOsZ4VTRDGLbjOVtbek+6azQmS9SBdlxhZ0CXD0dIj18gcpz5m8DP1M898
rXML7HoqpS53JefDrPADeSt9BDFwo2kwZzAdBgNVHQ4EFgQUfkqvqvw7lvxK1yi/
wxOs2iVS8sQwHwYDVR0jBBgwFoAUfkqvqvw7lvxK1yi/wxOs2iVS8sQwDwYDVR0T
AQH/BAUwAwEB/zAUBgNVHREEDTALggltYWlsLnRlc3QwCgYIKoZIzj0EAwIDSQAw
RgIhALo2oSx/oalXc4cEKnWi26XsrOLscezaEMumt6AqV47YAiEA0swcM00qtUxC
yb8oZBDlvX1t23co9dQyDSGGGzMOYt4=
-----END CERTIFICATE-----
`,
  keyPem: `-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgB+VRK+rjE3+j1Tp9i0l2
4vnIkScoHj3uSAxHjb6uQfyhRANCAATOsZ4VTRDGLbjOVtbek+6azQmS9SBdlxhZ
0CXD0dIj18gcpz5m8DP1M898rXML7HoqpS53JefDrPADeSt9BDFw
-----END PRIVATE KEY-----
`,
};

Deno.test("createTlsAcceptor() refuses what cannot work", async () => {
  const made = await testCertificates();
  const { certificate } = made.server;
  const rows = [
    [{ certificates: [] }, /no certificate/],
    [{ certificates: [{ certificatePem: certificate, keyPem: made.client.key }] }, /does not belong/],
    [{ certificates: [{ certificatePem: "nothing", keyPem: made.client.key }] }, /no PEM block/],
    [{ certificates: [pemOf(made.server), EXOTIC] }, /"CN=mail.test": the runtime's TLS does not know/],
    [{ verifyClient: "on", clientCaPem: "nothing" }, /no PEM block/],
    [{ verifyClient: "on", clientCaPem: made.root.certificate, crlPem: "nothing" }, /no PEM block/],
  ] as const;
  for (const [changes, message] of rows) {
    const options = await acceptorOptions(changes);
    assert.throws(() => createTlsAcceptor(options), message);
  }
});
