/** Who is told of writes in TLS, when, and of what: `writeFor()` and those who write besides. */
import assert from "node:assert/strict";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { EngineTransport } from "../../../src/io/engine_transport.ts";
import type { TlsEngine } from "../../../src/io/tls_engine.ts";
import { ConnectionError, type Transport, writeFor, type Writer } from "../../../src/ports/transport.ts";
import { changed } from "../../support/changed_transport.ts";
import { connectedPair, octets, patternOctets, readFull, text } from "./pair.ts";
import { acceptorOptions, upstreamOptions } from "./tls_pair.ts";

/** The server's side of a TLS connection, whose writes below the test holds, counts and fails. */
class Scene {
  readonly told: string[] = [];
  /** Writes that were begun below. */
  writes = 0;
  closed = false;
  /** What becomes of the next writes below. */
  below: () => Promise<void> = () => Promise.resolve();
  server!: Transport;
  client!: Transport;

  static async open(): Promise<Scene> {
    const scene = new Scene();
    const plain = await connectedPair();
    const below = changed(plain.server, {
      write: async (bytes) => {
        scene.writes++;
        await scene.below();
        await plain.server.write(bytes);
      },
      close: () => {
        scene.closed = true;
        plain.server.close();
      },
    });
    [scene.client, scene.server] = await Promise.all([
      createDialer().startTls(plain.client, await upstreamOptions()),
      createTlsAcceptor(await acceptorOptions({})).accept(below),
    ]);
    scene.writes = 0;
    return scene;
  }

  /** One who notes what he is told, and keeps errors to himself. */
  writer(name: string, then?: () => Promise<void>): Writer {
    return {
      written: () => {
        this.told.push(`${name} written`);
        return then?.();
      },
      notWritten: ({ code }) => void this.told.push(`${name} not written: ${code}`),
    };
  }

  /** Notes how `writing` ends, as who awaits it hears it. */
  async awaited(name: string, writing: Promise<void>): Promise<void> {
    const how = await writing.then(
      () => "settled",
      (error) => error instanceof ConnectionError ? error.code : error,
    );
    this.told.push(`${name} ${how}`);
  }

  [Symbol.dispose](): void {
    this.server.close();
    this.client.close();
  }
}

/** A wait that the test ends. */
function gate() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {/* the write tells it */});
  return { wait: () => promise, open: resolve, fail: reject };
}

Deno.test("a writer is told of his own write, once, and before who awaits it", async () => {
  using scene = await Scene.open();
  const { server, told } = scene;
  await scene.awaited("first", writeFor(server, octets("220 one\r\n"), scene.writer("first")));
  await scene.awaited("second", server.write(octets("220 two\r\n")));
  await scene.awaited("nothing", writeFor(server, octets(""), scene.writer("nothing")));
  await server.closeWrite();
  assert.deepEqual(told, [
    "first written",
    "first settled",
    "second settled",
    "nothing written",
    "nothing settled",
  ]);
  assert.equal(scene.writes, 3);
});

Deno.test("who awaits a write awaits what its writer has returned", async () => {
  using scene = await Scene.open();
  const { open, wait } = gate();
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const writer = scene.writer("one", () => {
    resolve();
    return wait();
  });
  const writing = scene.awaited("all", writeFor(scene.server, octets("a"), writer));
  await written;
  // That write has ended: another need not wait for what comes of it.
  await scene.awaited("other", scene.server.write(octets("b")));
  assert.deepEqual(scene.told, ["one written", "other settled"]);
  open();
  await writing;
  assert.deepEqual(scene.told, ["one written", "other settled", "all settled"]);
});

Deno.test("a writer may write on when he is told", async () => {
  using scene = await Scene.open();
  const { server } = scene;
  const again = () =>
    writeFor(server, octets("second "), scene.writer("second", () => server.write(octets("third"))));
  await scene.awaited("all", writeFor(server, octets("first "), scene.writer("first", again)));
  assert.deepEqual(scene.told, ["first written", "second written", "all settled"]);
  const into = new Uint8Array("first second third".length);
  await readFull(scene.client, into);
  assert.equal(text(into), "first second third");
});

Deno.test("the writer of what takes several writes is told when all are written", async () => {
  using scene = await Scene.open();
  const message = patternOctets(200_000);
  const writing = scene.awaited("all", writeFor(scene.server, message, scene.writer("one")));
  const into = new Uint8Array(message.length);
  await readFull(scene.client, into);
  await writing;
  assert.deepEqual(into, message);
  assert.ok(scene.writes > 1);
  assert.deepEqual(scene.told, ["one written", "all settled"]);
});

Deno.test("a write that fails below is told to its writer, and no other is tried", async () => {
  using scene = await Scene.open();
  const { server } = scene;
  scene.below = () => Promise.reject(new ConnectionError("reset", "the connection is lost"));
  await scene.awaited("first", writeFor(server, octets("a"), scene.writer("first")));
  await scene.awaited("second", server.write(octets("b")));
  await scene.awaited("third", writeFor(server, octets("c"), scene.writer("third")));
  assert.deepEqual(scene.told, [
    "first not written: reset",
    "first settled",
    "second reset",
    "third not written: reset",
    "third settled",
  ]);
  assert.equal(scene.writes, 1);
});

Deno.test("a writer is told that the connection was closed or its direction ended", async () => {
  for (const end of ["close", "closeWrite"] as const) {
    using scene = await Scene.open();
    await scene.server[end]();
    await scene.awaited("one", writeFor(scene.server, octets("a"), scene.writer("one")));
    assert.deepEqual(scene.told, ["one not written: closed", "one settled"]);
  }
});

Deno.test("what joins a write and is not sent is an error, whatever the writer makes of his", async () => {
  for (const how of ["close", "fail"] as const) {
    using scene = await Scene.open();
    const { server } = scene;
    const { wait, open, fail } = gate();
    scene.below = wait;
    const first = scene.awaited("first", writeFor(server, octets("a"), scene.writer("first")));
    const second = scene.awaited("second", server.write(octets("b")));
    if (how === "close") {
      server.close();
      open();
    } else fail(new ConnectionError("closed", "the connection is lost"));
    await Promise.all([first, second]);
    assert.deepEqual(scene.told.sort(), ["first not written: closed", "first settled", "second closed"]);
    assert.equal(scene.writes, 1);
  }
});

Deno.test("end() closes when its octets are written, and not when they cannot be", async () => {
  for (const [how, expected] of [["written", "last settled"], ["lost", "last reset"]] as const) {
    using scene = await Scene.open();
    const { wait, open, fail } = gate();
    scene.below = wait;
    const ending = scene.awaited("last", scene.server.end!(octets("221 bye\r\n")));
    await Promise.resolve();
    assert.equal(scene.closed, false);
    if (how === "written") open();
    else fail(new ConnectionError("reset", "the connection is lost"));
    await ending;
    assert.deepEqual(scene.told, [expected]);
    assert.equal(scene.closed, how === "written");
  }
});

/** An engine that makes what `take` gives of what it is to encrypt. */
function engineThat(take: () => Uint8Array | null): TlsEngine {
  const engine: Partial<TlsEngine> = {
    role: "server",
    send: () => true,
    takeEncrypted: take,
    release: () => {},
  };
  return engine as TlsEngine;
}

Deno.test("a writer hears of it when the engine breaks with what has joined his write, and so does who joined", async () => {
  const mistake = new RangeError("the engine breaks");
  const { client, server } = await connectedPair();
  const { wait, open } = gate();
  const below = changed(server, { write: (bytes) => wait().then(() => server.write(bytes)) });
  let taken = 0;
  const secured = new EngineTransport(
    below,
    () =>
      engineThat(() => {
        if (taken++ > 0) throw mistake;
        return octets("first");
      }),
  );
  const told: unknown[] = [];
  const first = writeFor(secured, octets("a"), {
    written: () => assert.fail("it was not written whole"),
    notWritten: (error) => void told.push(error),
  });
  const joined = assert.rejects(secured.write(octets("b")), mistake);
  open();
  await Promise.all([first, joined]);
  assert.deepEqual(told, [mistake]);
  secured.close();
  client.close();
});

Deno.test("a writer hears of it when the engine breaks as he begins, and of nothing after that", async () => {
  const mistake = new RangeError("the engine breaks");
  const { client, server } = await connectedPair();
  const takes = [() => assert.fail(mistake), () => octets("later")];
  const secured = new EngineTransport(server, () => engineThat(() => takes.shift()?.() ?? null));
  const told: unknown[] = [];
  await writeFor(secured, octets("a"), {
    written: () => void told.push("written"),
    notWritten: (error) => void told.push(error),
  });
  await secured.write(octets("b"));
  assert.deepEqual(told, [mistake]);
  secured.close();
  client.close();
});
