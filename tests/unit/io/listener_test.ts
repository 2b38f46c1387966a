import assert from "node:assert/strict";
import { AcceptLoop } from "../../../src/io/accept_loop.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { ListenError, openListener } from "../../../src/io/listener.ts";
import type { Listener, SocketAddress } from "../../../src/ports/transport.ts";
import { within } from "../../support/patience.ts";
import { ReservedPort } from "../../support/reserved_port.ts";
import { leaveStaleSocket } from "../../support/stale_socket.ts";
import { connectedPair, octets, on, onTcp, readToEnd, text } from "./pair.ts";

const never = new AbortController().signal;
const dial = (address: SocketAddress) => createDialer().connect(address, never);
const tcp = (host: string, port: number) => ({ kind: "tcp", host, port } as const);
const alone = { reusePort: false };

/** Connects to `target` and asserts that `listener` gets it. */
async function arrivesAt(listener: Listener, target: SocketAddress): Promise<void> {
  const client = await dial(target);
  await client.write(octets("hello"));
  await client.closeWrite();
  const server = await listener.accept();
  assert.equal(text(await readToEnd(server!)), "hello");
  client.close();
  server!.close();
}

Deno.test("a listener on port 0 knows its port, and accept() is null after close()", async () => {
  const listener = await openListener(onTcp("127.0.0.1"), alone);
  assert.notEqual(listener.address.kind === "tcp" && listener.address.port, 0);
  await arrivesAt(listener, listener.address);
  const pending = listener.accept();
  listener.close();
  listener.close();
  assert.equal(await pending, null);
  assert.equal(await listener.accept(), null);
});

Deno.test("drain() closes once all that wait are accepted", async () => {
  using reserved = await ReservedPort.take();
  const listener = await openListener(onTcp("127.0.0.1", reserved.port), alone);
  const clients = await Promise.all(Array.from({ length: 20 }, () => dial(listener.address)));
  const accepted: (string | null)[] = [];
  const accepting = (async () => {
    for (let each = await listener.accept(); each !== null; each = await listener.accept()) {
      await each.write(octets("hello"));
      each.close();
    }
  })();
  await listener.drain();
  await accepting;
  for (const client of clients) {
    accepted.push(text(await readToEnd(client)));
    client.close();
  }
  assert.deepEqual(accepted, Array(20).fill("hello"));
  await reserved.refused();
});

Deno.test("openListener() says what is in the way", async () => {
  const taken = await openListener(onTcp("127.0.0.1"), alone);
  const { address } = taken;
  assert.ok(address.kind === "tcp");
  await assert.rejects(
    openListener(onTcp("127.0.0.1", address.port), alone),
    (error) =>
      error instanceof ListenError && error.code === "in_use" && error.message.includes(`${address.port}`),
  );
  await assert.rejects(
    openListener(onTcp("192.0.2.1"), alone),
    (error) => error instanceof ListenError && error.code === "not_available",
  );
  taken.close();
});

Deno.test("a Unix socket is open to all, replaces a stale file, and is removed at close", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/postern.sock`;
  try {
    await leaveStaleSocket(path);
    const listener = await openListener(on({ kind: "unix", path }), alone);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o666);
    await arrivesAt(listener, { kind: "unix", path });
    await assert.rejects(
      openListener(on({ kind: "unix", path }), alone),
      (error) => error instanceof ListenError && error.code === "in_use",
    );
    listener.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await Deno.writeTextFile(path, "not a socket");
    await assert.rejects(openListener(on({ kind: "unix", path }), alone), ListenError);
    assert.equal(await Deno.readTextFile(path), "not a socket");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a Unix socket with reuseport takes over from a living one, which serves who waits there", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/postern.sock`;
  const address = { kind: "unix", path } as const;
  const settings = { ...on(address), reuseport: true };
  try {
    const old = await openListener(settings, alone);
    const waiting = await dial(address);
    const next = await openListener(settings, alone);
    await arrivesAt(next, address);
    (await old.accept())!.close();
    waiting.close();
    old.close();
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o666);
    await arrivesAt(next, address);
    next.close();
    assert.deepEqual(Array.from(Deno.readDirSync(directory)), []);
    await Deno.writeTextFile(path, "not a socket");
    await assert.rejects(openListener(settings, alone), ListenError);
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
  const told: string[] = [];
  const loop = new AcceptLoop(
    {
      accept: () =>
        ++tries < 3
          ? Promise.reject(new Error("Too many open files (os error 24)"))
          : Promise.resolve(server),
      close: () => {},
    },
    tcp("127.0.0.1", 25),
    (reason) => told.push(reason),
  );
  assert.equal(await loop.accept(), server);
  assert.equal(tries, 3);
  assert.deepEqual(told, ["Too many open files (os error 24)"], "once, however often it is tried");
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
