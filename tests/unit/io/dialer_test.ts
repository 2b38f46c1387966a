import assert from "node:assert/strict";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { createDialer } from "../../../src/io/dialer.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import { ConnectionError, type UpstreamTlsOptions } from "../../../src/ports/transport.ts";
import { testCertificates } from "../../support/certificates.ts";
import { connectedPair, echo, octets, readToEnd, text } from "./pair.ts";
import { acceptorOptions, pemOf, tlsPair, tlsTest, upstreamOptions, type Way } from "./tls_pair.ts";

const codeOf = (code: string) => (error: unknown) => error instanceof ConnectionError && error.code === code;

/** Runs the client's handshake against a server with `server`'s certificate; gives what the client threw, or null. */
async function dial(
  way: Way,
  changes: Partial<UpstreamTlsOptions>,
  server?: { certificate: string; key: string },
): Promise<ConnectionError | null> {
  const made = await testCertificates();
  const acceptor = createTlsAcceptor(await acceptorOptions({ certificates: [pemOf(server ?? made.server)] }));
  const plain = await connectedPair();
  const serving = acceptor.accept(plain.server).then(async (tls) => {
    await echo(tls);
    tls.close();
  }).catch(() => plain.server.close()); // what the server makes of it is not the question here
  try {
    const client = await createDialer(way).startTls(plain.client, await upstreamOptions(changes));
    await client.write(octets("ping"));
    await client.closeWrite();
    assert.equal(text(await readToEnd(client)), "ping");
    client.close();
    return null;
  } catch (error) {
    assert.ok(error instanceof ConnectionError, String(error));
    await assert.rejects(plain.client.read(new Uint8Array(1)), codeOf("closed"));
    return error;
  } finally {
    await serving;
  }
}

/** One host name, whatever it is made of. */
function hostName(value: string): x509.Extension {
  return new x509.SubjectAlternativeNameExtension([{ type: "dns", value }]);
}

tlsTest("with own authorities only their certificates are accepted, for the right name", async (way) => {
  const made = await testCertificates();
  const root = made.root.certificate;
  const stranger = made.stranger.certificate;
  const issue = (subject: string, names: readonly string[] | string) =>
    made.root.issue(
      typeof names === "string" ? { subject, extensions: [hostName(names)] } : { subject, names },
    );
  const rows = [
    ["mail.test", root, made.server, null],
    ["MX.test", root, made.server, null],
    ["127.0.0.1", root, made.server, null],
    ["::1", root, made.server, null],
    ["a.wild.test", root, made.wildcard, null],
    ["mail.test", root, await made.root.issue({ subject: "mail.test" }), null],
    ["mail.test", root, await issue("mail.test", ["127.0.0.1"]), null],
    ["mail.test", root, await issue("mail.test", ["mx.test"]), /ALTNAME/],
    ["127.0.0.1", root, await issue("127.0.0.1", ["mx.test"]), /ALTNAME/],
    ["evil.test", root, await issue("mail.test", "mail.test, DNS:evil.test"), /ALTNAME/],
    ["evil.test", root, await issue("evil.test", "mail.test, DNS:mx.test"), /ALTNAME/],
    ["127.0.0.9", root, await issue("mail.test", "mail.test, IP Address:127.0.0.9"), /ALTNAME/],
    ["nope.test", root, made.server, /ALTNAME/],
    ["127.0.0.2", root, made.server, /ALTNAME/],
    ["a.b.wild.test", root, made.wildcard, /ALTNAME/],
    ["mail.test", root, made.expiredServer, /VERIFY|EXPIRED/],
    ["mail.test", stranger, made.server, /VERIFY|ISSUER/],
    ["mail.test", root + stranger, made.server, null],
  ] as const;
  for (const [serverName, trustedCertificates, server, expected] of rows) {
    const error = await dial(way, { serverName, trustedCertificates }, server);
    assert.equal(
      error?.code ?? null,
      expected === null ? null : "certificate",
      `${serverName}: ${error?.message}`,
    );
    if (expected !== null) assert.match(error!.message, expected);
  }
});

tlsTest("with the system's authorities a certificate of ours is refused", async (way) => {
  const error = await dial(way, { trustedCertificates: null });
  assert.equal(error?.code, "certificate");
  assert.match(error!.message, /VERIFY|ISSUER/);
});

tlsTest("a certificate of ours does not turn verification off", async (way) => {
  const made = await testCertificates();
  const { certificate, key } = made.client;
  const withClient = { certificate, certificateKey: key, trustedCertificates: null };
  assert.equal((await dial(way, withClient))?.code, "certificate");
});

tlsTest("every session begins anew, and so is verified", async (way) => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const acceptor = createTlsAcceptor(await acceptorOptions({ protocols: [version] }));
    for (let visit = 0; visit < 3; visit++) {
      const plain = await connectedPair();
      const [client, server] = await Promise.all([
        createDialer(way).startTls(plain.client, await upstreamOptions()),
        acceptor.accept(plain.server),
      ]);
      await server.write(octets("220 ready\r\n")); // and the tickets
      await client.read(new Uint8Array(100));
      assert.deepEqual([client.tls?.resumed, client.tls?.protocol], [false, version]);
      client.close();
      server.close();
    }
  }
});

tlsTest("without verification any certificate will do, and the facts say none", async (way) => {
  const made = await testCertificates();
  assert.equal(await dial(way, { verify: false, serverName: "nope.test" }, made.expiredServer), null);
  const { client, server } = await tlsPair(way, {}, { verify: false, serverName: "nope.test" });
  assert.deepEqual(client.tls?.verdict, { kind: "none" });
  assert.equal(client.tls?.protocol, "TLSv1.3");
  assert.equal(client.tls?.peer?.commonName, "mail.test");
  client.close();
  server.close();
});

tlsTest("a server that does not speak TLS is a failure of TLS", async (way) => {
  for (const changes of [{}, { trustedCertificates: null }, { verify: false }]) {
    const { client, server } = await connectedPair();
    const dialling = assert.rejects(
      createDialer(way).startTls(client, await upstreamOptions(changes)),
      codeOf("tls"),
      JSON.stringify(changes),
    );
    await server.write(octets("454 4.7.0 TLS not available\r\n"));
    await dialling;
    server.close();
  }
});

tlsTest("plaintext between the 220 and the handshake makes the handshake fail", async (way) => {
  const acceptor = createTlsAcceptor(await acceptorOptions());
  for (const changes of [{}, { trustedCertificates: null }, { verify: false }]) {
    const { client, server } = await connectedPair();
    await server.write(octets("250 injected\r\n"));
    const serving = acceptor.accept(server).then((tls) => tls.close(), () => {});
    await assert.rejects(createDialer(way).startTls(client, await upstreamOptions(changes)), codeOf("tls"));
    server.close();
    await serving;
  }
});

tlsTest("a server that leaves in the handshake is a reset", async (way) => {
  for (const changes of [{}, { trustedCertificates: null }]) {
    const { client, server } = await connectedPair();
    const dialling = assert.rejects(
      createDialer(way).startTls(client, await upstreamOptions(changes)),
      codeOf("reset"),
      JSON.stringify(changes),
    );
    await server.read(new Uint8Array(65536));
    server.close();
    await dialling;
  }
});

tlsTest("closing the plain connection aborts the handshake", async (way) => {
  for (const changes of [{}, { trustedCertificates: null }]) {
    const { client, server } = await connectedPair();
    const dialling = assert.rejects(
      createDialer(way).startTls(client, await upstreamOptions(changes)),
      codeOf("closed"),
      JSON.stringify(changes),
    );
    await server.read(new Uint8Array(65536)); // the ClientHello: the handshake is under way
    client.close();
    await dialling;
    server.close();
  }
});
