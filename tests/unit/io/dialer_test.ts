import assert from "node:assert/strict";
import { createDialer } from "../../../src/io/dialer.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import { ConnectionError, type UpstreamTlsOptions } from "../../../src/ports/transport.ts";
import { testCertificates } from "../../support/certificates.ts";
import { connectedPair, echo, octets, readToEnd, text } from "./pair.ts";
import { acceptorOptions, pemOf, tlsPair, upstreamOptions } from "./tls_pair.ts";

const codeOf = (code: string) => (error: unknown) => error instanceof ConnectionError && error.code === code;

/** Runs the client's handshake against a server with `server`'s certificate; gives what the client threw, or null. */
async function dial(
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
    const client = await createDialer().startTls(plain.client, await upstreamOptions(changes));
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

Deno.test("with own authorities only their certificates are accepted, for the right name", async () => {
  const made = await testCertificates();
  const root = made.root.certificate;
  const stranger = made.stranger.certificate;
  const rows = [
    ["mail.test", root, made.server, null],
    ["MX.test", root, made.server, null],
    ["127.0.0.1", root, made.server, null],
    ["::1", root, made.server, null],
    ["a.wild.test", root, made.wildcard, null],
    ["nope.test", root, made.server, /ALTNAME/],
    ["127.0.0.2", root, made.server, /ALTNAME/],
    ["a.b.wild.test", root, made.wildcard, /ALTNAME/],
    ["mail.test", root, made.expiredServer, /VERIFY|EXPIRED/],
    ["mail.test", stranger, made.server, /VERIFY|ISSUER/],
    ["mail.test", root + stranger, made.server, null],
  ] as const;
  for (const [serverName, trustedCertificates, server, expected] of rows) {
    const error = await dial({ serverName, trustedCertificates }, server);
    assert.equal(
      error?.code ?? null,
      expected === null ? null : "certificate",
      `${serverName}: ${error?.message}`,
    );
    if (expected !== null) assert.match(error!.message, expected);
  }
});

Deno.test("with the system's authorities a certificate of ours is refused", async () => {
  const error = await dial({ trustedCertificates: null });
  assert.equal(error?.code, "certificate");
  assert.match(error!.message, /UnknownIssuer/);
});

Deno.test("a certificate of ours does not turn verification off", async () => {
  const made = await testCertificates();
  const { certificate, key } = made.client;
  const withClient = { certificate, certificateKey: key, trustedCertificates: null };
  assert.equal((await dial(withClient))?.code, "certificate");
});

Deno.test("without verification any certificate will do, and the facts say none", async () => {
  const made = await testCertificates();
  assert.equal(await dial({ verify: false, serverName: "nope.test" }, made.expiredServer), null);
  const { client, server } = await tlsPair("engine", {}, { verify: false, serverName: "nope.test" });
  assert.deepEqual(client.tls?.verdict, { kind: "none" });
  assert.equal(client.tls?.protocol, "TLSv1.3");
  assert.equal(client.tls?.peer?.commonName, "mail.test");
  client.close();
  server.close();
});

Deno.test("a server that does not speak TLS is a failure of TLS", async () => {
  for (const changes of [{}, { trustedCertificates: null }, { verify: false }]) {
    const { client, server } = await connectedPair();
    const dialling = assert.rejects(
      createDialer().startTls(client, await upstreamOptions(changes)),
      codeOf("tls"),
      JSON.stringify(changes),
    );
    await server.write(octets("454 4.7.0 TLS not available\r\n"));
    await dialling;
    server.close();
  }
});

Deno.test("plaintext between the 220 and the handshake makes the handshake fail", async () => {
  const acceptor = createTlsAcceptor(await acceptorOptions());
  for (const changes of [{}, { trustedCertificates: null }, { verify: false }]) {
    const { client, server } = await connectedPair();
    await server.write(octets("250 injected\r\n"));
    const serving = acceptor.accept(server).then((tls) => tls.close(), () => {});
    await assert.rejects(createDialer().startTls(client, await upstreamOptions(changes)), codeOf("tls"));
    server.close();
    await serving;
  }
});

Deno.test("a server that leaves in the handshake is a reset", async () => {
  for (const changes of [{}, { trustedCertificates: null }]) {
    const { client, server } = await connectedPair();
    const dialling = assert.rejects(
      createDialer().startTls(client, await upstreamOptions(changes)),
      codeOf("reset"),
      JSON.stringify(changes),
    );
    await server.read(new Uint8Array(65536));
    server.close();
    await dialling;
  }
});

Deno.test("closing the plain connection aborts the handshake", async () => {
  for (const changes of [{}, { trustedCertificates: null }]) {
    const { client, server } = await connectedPair();
    const dialling = assert.rejects(
      createDialer().startTls(client, await upstreamOptions(changes)),
      codeOf("closed"),
      JSON.stringify(changes),
    );
    await server.read(new Uint8Array(65536)); // the ClientHello: the handshake is under way
    client.close();
    await dialling;
    server.close();
  }
});
