import assert from "node:assert/strict";
import { AcceptLoop } from "../../../src/io/accept_loop.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { listen, ListenError } from "../../../src/io/listener.ts";
import type { Listener, SocketAddress, Transport } from "../../../src/ports/transport.ts";
import { within } from "../../support/patience.ts";
import { connectedPair, octets, on, onTcp, readToEnd, text } from "./pair.ts";

const never = new AbortController().signal;
const dial = (address: SocketAddress) => createDialer().connect(address, never);
const tcp = (host: string, port: number) => ({ kind: "tcp", host, port } as const);

function portOf(listener: Listener): number {
  assert.equal(listener.address.kind, "tcp");
  return listener.address.kind === "tcp" ? listener.address.port : 0;
}

/** A port that was free a moment ago. */
function freePort(): number {
  const socket = Deno.listen({ hostname: "::", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

/** Connects to `target` and asserts that `listener` and no other gets it. */
async function arrivesAt(listener: Listener, target: SocketAddress): Promise<Transport> {
  const client = await dial(target);
  await client.write(octets("hello"));
  await client.closeWrite();
  const server = await listener.accept();
  assert.equal(text(await readToEnd(server!)), "hello");
  client.close();
  server!.close();
  return server!;
}

Deno.test("a listener on port 0 knows its port, and accept() is null after close()", async () => {
  const [listener] = await listen([onTcp("127.0.0.1")], { reusePort: false });
  assert.notEqual(portOf(listener!), 0);
  await arrivesAt(listener!, listener!.address);
  const pending = listener!.accept();
  listener!.close();
  listener!.close();
  assert.equal(await pending, null);
  assert.equal(await listener!.accept(), null);
});

Deno.test("IPv4 in IPv6 is IPv4", async () => {
  const [listener] = await listen([onTcp("::")], { reusePort: false });
  const server = await arrivesAt(listener!, tcp("127.0.0.1", portOf(listener!)));
  assert.equal(server.remote.kind === "tcp" && server.remote.host, "127.0.0.1");
  assert.equal(server.local.kind === "tcp" && server.local.host, "127.0.0.1");
  await arrivesAt(listener!, tcp("::1", portOf(listener!)));
  listener!.close();
});

Deno.test("both wildcards and specific addresses may share a port", async () => {
  const port = freePort();
  const settings = [
    onTcp("127.0.0.1", port),
    onTcp("0.0.0.0", port),
    onTcp("::", port),
    onTcp("::1", port),
  ];
  const [specific4, any4, any6, specific6] = await listen(settings, { reusePort: false });
  await arrivesAt(specific4!, tcp("127.0.0.1", port));
  await arrivesAt(any4!, tcp("127.0.0.2", port));
  await arrivesAt(specific6!, tcp("::1", port));
  // Another listener's connection waits until that one asks.
  const early = await dial(tcp("127.0.0.2", port));
  const waiting = specific4!.accept();
  await arrivesAt(specific6!, tcp("::1", port));
  const queued = await any4!.accept();
  assert.equal(queued?.local.kind === "tcp" && queued.local.host, "127.0.0.2");
  queued!.close();
  early.close();
  for (const listener of [any4, any6, specific6]) listener!.close();
  assert.equal(await any6!.accept(), null);
  specific4!.close();
  // All are closed, so the socket is; the sanitizer would find it.
  assert.equal(await waiting, null);
});

Deno.test("a specific IPv6 address does not share the IPv4 wildcard's socket", async () => {
  const port = freePort();
  const settings = [onTcp("::1", port), onTcp("0.0.0.0", port), onTcp("127.0.0.1", port)];
  const [six, any4, four] = await listen(settings, { reusePort: false });
  await arrivesAt(six!, tcp("::1", port));
  await arrivesAt(four!, tcp("127.0.0.1", port));
  await arrivesAt(any4!, tcp("127.0.0.3", port));
  for (const listener of [six, any4, four]) listener!.close();
});

Deno.test("with reusePort two processes' worth of sockets share a port", async () => {
  const [first] = await listen([onTcp("127.0.0.1")], { reusePort: true });
  const [second] = await listen([onTcp("127.0.0.1", portOf(first!))], { reusePort: true });
  first!.close();
  await arrivesAt(second!, second!.address);
  second!.close();
});

Deno.test("listen() opens all or none, and says what is in the way", async () => {
  const [taken] = await listen([onTcp("127.0.0.1")], { reusePort: false });
  const free = freePort();
  await assert.rejects(
    listen([onTcp("127.0.0.1", free), onTcp("127.0.0.1", portOf(taken!))], { reusePort: false }),
    (error) =>
      error instanceof ListenError && error.code === "in_use" && error.message.includes(`${portOf(taken!)}`),
  );
  (await listen([onTcp("127.0.0.1", free)], { reusePort: false }))[0]!.close();
  await assert.rejects(
    listen([onTcp("192.0.2.1", free)], { reusePort: false }),
    (error) => error instanceof ListenError && error.code === "not_available",
  );
  taken!.close();
});

Deno.test("a Unix socket is open to all, replaces a stale file, and is removed at close", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/postern.sock`;
  try {
    Deno.listen({ transport: "unix", path }).close(); // leaves its file behind
    const [listener] = await listen([on({ kind: "unix", path })], { reusePort: false });
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o666);
    await arrivesAt(listener!, { kind: "unix", path });
    await assert.rejects(
      listen([on({ kind: "unix", path })], { reusePort: false }),
      (error) => error instanceof ListenError && error.code === "in_use",
    );
    listener!.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await Deno.writeTextFile(path, "not a socket");
    await assert.rejects(listen([on({ kind: "unix", path })], { reusePort: false }), ListenError);
    assert.equal(await Deno.readTextFile(path), "not a socket");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("accept() passes over connections that were reset, without a wait for each", async () => {
  const { client, server } = await connectedPair();
  const failures = [
    new Deno.errors.NotConnected("Transport endpoint is not connected (os error 107)"),
    Object.assign(new Error("Software caused connection abort"), { code: "ECONNABORTED" }),
    new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)"),
  ];
  let tries = 0;
  const loop = new AcceptLoop({
    accept: () => tries++ < 300 ? Promise.reject(failures[tries % 3]) : Promise.resolve(server),
    close: () => {},
  }, tcp("127.0.0.1", 25));
  // One second for each would be five minutes.
  assert.equal(await within(loop.accept(), () => `after ${tries} tries`, { ms: 5_000 }), server);
  client.close();
  server.close();
});

Deno.test("accept() tries again after errors of the operating system", async () => {
  const { client, server } = await connectedPair();
  let tries = 0;
  const loop = new AcceptLoop({
    accept: () =>
      ++tries < 3 ? Promise.reject(new Error("Too many open files (os error 24)")) : Promise.resolve(server),
    close: () => {},
  }, tcp("127.0.0.1", 25));
  assert.equal(await loop.accept(), server);
  assert.equal(tries, 3);
  client.close();
  server.close();
});

Deno.test("close() ends the wait between two tries", async () => {
  const loop = new AcceptLoop({
    accept: () => Promise.reject(new Error("Too many open files (os error 24)")),
    close: () => {},
  }, tcp("127.0.0.1", 25));
  const pending = loop.accept();
  await Promise.resolve();
  await Promise.resolve();
  loop.close();
  assert.equal(await pending, null);
});
