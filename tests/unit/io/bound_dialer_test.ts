import assert from "node:assert/strict";
import { createBoundDialer } from "../../../src/io/bound_dialer.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { openListener } from "../../../src/io/listener.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import type { SocketAddress, Transport } from "../../../src/ports/transport.ts";
import { within } from "../../support/patience.ts";
import { ReservedPort } from "../../support/reserved_port.ts";
import { withTempDir } from "../../support/temp_dir.ts";
import { echo, octets, onTcp, readToEnd, text } from "./pair.ts";
import { acceptorOptions, upstreamOptions } from "./tls_pair.ts";

const unending = new AbortController().signal;

/** Both ends of a connection that comes from one of `sources`. */
async function pairFrom(
  dialer = createBoundDialer(createDialer(), ["127.0.0.2"]),
): Promise<{ client: Transport; server: Transport }> {
  const listener = await openListener(onTcp("127.0.0.1"), { reusePort: false });
  const client = await dialer.connect(listener.address, unending);
  const server = await listener.accept();
  listener.close();
  return { client, server: server! };
}

function hostOf(address: SocketAddress): string {
  return address.kind === "tcp" ? address.host : address.path;
}

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at % 251);
}

Deno.test("a bound dialer connects from its addresses in turns", async () => {
  const dialer = createBoundDialer(createDialer(), ["127.0.0.2", "127.0.0.3", "::1"]);
  for (const source of ["127.0.0.2", "127.0.0.3", "127.0.0.2"]) {
    const { client, server } = await pairFrom(dialer);
    assert.equal(hostOf(server.remote), source);
    assert.deepEqual(client.local, server.remote);
    assert.deepEqual(client.remote, server.local);
    client.close();
    server.close();
  }
});

Deno.test("a bound connection carries much in both directions, and ends one after the other", async () => {
  const { client, server } = await pairFrom();
  const serving = echo(server).then(() => server.closeWrite());
  const sent = bytesOf(3_000_000);
  const [heard] = await Promise.all([
    readToEnd(client),
    client.write(sent).then(() => client.closeWrite()),
    serving,
  ]);
  assert.deepEqual(heard, sent);
  await client.closeWrite();
  client.close();
  server.close();
});

Deno.test("a bound connection takes no more than it is asked for", async () => {
  const { client, server } = await pairFrom();
  let taken = 0;
  const chunk = bytesOf(65_536);
  const stuck = (async () => {
    // The kernel's buffers take some; if all of this went through, we would hold it in memory.
    for (; taken < 2_000; taken++) await server.write(chunk);
  })().catch(() => {});
  const buffer = new Uint8Array(10);
  assert.equal(await client.read(buffer), 10);
  const more = new Uint8Array(100);
  assert.equal(await client.read(more), 100);
  assert.deepEqual(more, bytesOf(110).subarray(10));
  client.close();
  await within(stuck, () => "the server does not notice that the client is gone");
  assert.ok(taken < 2_000, `${taken} chunks were taken`);
  server.close();
});

Deno.test("a bound connection that is reset or closed says so", async () => {
  const lost = await pairFrom();
  const reading = lost.client.read(new Uint8Array(1));
  lost.server.close();
  assert.equal(await reading, null);
  lost.client.close();
  await assert.rejects(lost.client.read(new Uint8Array(1)), { name: "ConnectionError", code: "closed" });
  await assert.rejects(lost.client.write(octets("x")), { name: "ConnectionError", code: "closed" });
  const { client, server } = await pairFrom();
  const waiting = client.read(new Uint8Array(1));
  client.close();
  await assert.rejects(waiting, { name: "ConnectionError", code: "closed" });
  server.close();
});

Deno.test("TLS runs over a bound connection, verified as over any other", async () => {
  for (const [serverName, code] of [["mail.test", null], ["other.test", "certificate"]] as const) {
    const { client, server } = await pairFrom();
    const serving = createTlsAcceptor(await acceptorOptions()).accept(server).then(async (tls) => {
      await echo(tls);
      tls.close();
    }).catch(() => server.close()); // what the server makes of a client that goes is not the question here
    const starting = createDialer().startTls(client, await upstreamOptions({ serverName }));
    if (code === null) {
      const tls = await starting;
      await tls.write(octets("ping"));
      await tls.closeWrite();
      assert.equal(text(await readToEnd(tls)), "ping");
      assert.equal(hostOf(tls.local), "127.0.0.2");
      tls.close();
    } else await assert.rejects(starting, { name: "ConnectionError", code });
    await serving;
  }
});

Deno.test("a bound dialer says why it cannot connect", async () => {
  const listener = await openListener(onTcp("127.0.0.1"), { reusePort: false });
  const connect = (address: SocketAddress, ...sources: string[]) =>
    createBoundDialer(createDialer(), sources).connect(address, unending);
  const from = (...sources: string[]) => connect(listener.address, ...sources);
  await assert.rejects(from("::1"), {
    code: "unreachable",
    message: /no address of its family to come from/,
  });
  await assert.rejects(from("192.0.2.1"), { name: "ConnectionError", message: /from 192\.0\.2\.1: bind / });
  using nobody = await ReservedPort.take();
  const there = { kind: "tcp", host: "127.0.0.1", port: nobody.port } as const;
  await assert.rejects(connect(there, "127.0.0.2"), { name: "ConnectionError", code: "refused" });
  const given = new AbortController();
  given.abort();
  const dialer = createBoundDialer(createDialer(), ["127.0.0.2"]);
  await assert.rejects(dialer.connect(listener.address, given.signal), {
    name: "ConnectionError",
    code: "closed",
  });
  listener.close();
});

Deno.test("a bound dialer connects to Unix sockets, which have no addresses, and to host names", async () => {
  const dialer = createBoundDialer(createDialer(), ["127.0.0.2", "::1"]);
  await withTempDir(async (directory) => {
    using listener = Deno.listen({ transport: "unix", path: `${directory}/s` });
    const client = await dialer.connect({ kind: "unix", path: `${directory}/s` }, unending);
    (await listener.accept()).close();
    client.close();
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = await dialer.connect({ kind: "tcp", host: "localhost", port: listener.addr.port }, unending);
  const server = await listener.accept();
  assert.equal(server.remoteAddr.hostname, "127.0.0.2");
  server.close();
  client.close();
});
