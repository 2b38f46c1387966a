/**
 * How sessions end: by mistakes of Postern's own, by writes that fail, and while something else goes on.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ConnectionError } from "../../../src/ports/transport.ts";
import { accepted, Bench, type BenchOptions, withBench } from "./bench.ts";
import type { Peer } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const OK = "250 2.0.0 OK\r\n";
const SHUTDOWN = "421 4.3.2 mx.test Service shutting down\r\n";
const INTERNAL_ERROR = "451 4.3.2 Internal server error\r\n";

/** A wait that the test ends. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: promise, open: resolve };
}

/** Lets everything happen that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** Signs in, and leaves the mail server to be spoken to. */
async function connecting(bench: Bench, hello = "EHLO mx.test\r\n") {
  await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
  (await bench.asked()).answer(accepted());
  const upstream = await bench.upstream();
  await upstream.send("220 hi\r\n");
  await upstream.expect(hello);
  return upstream;
}

// Mistakes --------------------------------------------------------------------------------------------------------

Deno.test("a mistake of Postern's own is told as a temporary failure, to the log and to the client", async () => {
  const resolve = () => Promise.reject(new RangeError("a mistake"));
  await withBench({ resolve }, async (bench) => {
    assert.equal(await bench.client.rest(), "451 4.3.2 Internal server error\r\n");
    assert.equal(await bench.outcome(), "internal_error");
    assert.deepEqual(bench.events(), ["client_connected", "internal_error", "session_closed"]);
  });
});

Deno.test("the owner is told of the end when the last word is said, and not before", async () => {
  const { wait, open } = gate();
  const resolved = gate();
  const resolve = () => resolved.wait.then(() => Promise.reject(new RangeError("a mistake")));
  await withBench({ resolve }, async (bench) => {
    const { near } = bench;
    const { write } = near;
    near.write = (bytes) => wait.then(() => write.call(near, bytes));
    resolved.open();
    await settle();
    assert.equal(bench.ends, 0);
    assert.equal(near.closed, false);
    open();
    assert.equal(await bench.client.rest(), INTERNAL_ERROR);
    assert.equal(await bench.outcome(), "internal_error");
  });
});

/** Sees that a session under test, which a mistake has ended, has left nothing. */
function assertNothingLeft(bench: Bench): void {
  assert.ok(bench.near.closed);
  assert.equal(bench.clock.armed, 0);
  assert.equal(bench.ends, 1);
}

for (const told of ["internal_error", "session_closed"]) {
  Deno.test(`a mistake in the telling of ${told} is the owner's, once, and the connection is closed`, async () => {
    const mistake = new RangeError("cannot tell");
    const telling = (event: string) => {
      if (event === told) throw mistake;
    };
    const options = { telling, settings: { smtp_capabilities: ["X"] } };
    const bench = new Bench(options);
    await bench.client.expect(GREETING);
    bench.near.write = () => {
      throw new RangeError("a mistake");
    };
    await bench.client.send("NOOP\r\n");
    await assert.rejects(bench.done, mistake);
    await settle();
    assertNothingLeft(bench);
  });
}

Deno.test("a session that cannot be told of as it begins is the owner's, and the connection is closed", async () => {
  const mistake = new RangeError("cannot tell");
  const telling = () => {
    throw mistake;
  };
  const bench = new Bench({ telling, settings: { compat: "nginx" } });
  await assert.rejects(bench.done, mistake);
  assertNothingLeft(bench);
});

Deno.test("what cannot be given back keeps neither the connection open nor the owner waiting", async () => {
  const mistake = new RangeError("a mistake");
  const bench = new Bench();
  bench.buffers.give = () => {
    throw mistake;
  };
  await bench.client.expect(GREETING);
  bench.client.transport.close();
  await assert.rejects(bench.done, mistake);
  assertNothingLeft(bench);
});

for (const method of ["read", "write"] as const) {
  Deno.test(`a connection whose ${method}() throws at once is a mistake that ends its session only`, async () => {
    await withBench({}, async (bench) => {
      await bench.client.expect(GREETING);
      bench.near[method] = () => {
        throw new RangeError("a mistake");
      };
      await bench.client.send("NOOP\r\n");
      assert.equal(await bench.outcome(), "internal_error");
      assert.deepEqual(bench.events(), ["client_connected", "internal_error", "session_closed"]);
    });
  });
}

Deno.test("a greeting whose write throws at once is a mistake, behind an entrance that takes its time, too", async () => {
  const { wait, open } = gate();
  await withBench({ resolve: () => wait.then(() => "pc.example.com") }, async (bench) => {
    bench.near.write = () => {
      throw new RangeError("a mistake");
    };
    open();
    assert.equal(await bench.outcome(), "internal_error");
  });
});

Deno.test("nothing is said behind a reply whose write has failed by a mistake", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    const { near } = bench;
    let writes = 0;
    near.write = () => {
      writes++;
      return Promise.reject(new RangeError("a mistake"));
    };
    await bench.client.send("NOOP\r\n");
    assert.equal(await bench.outcome(), "internal_error");
    assert.equal(writes, 1);
  });
});

// The client is gone ----------------------------------------------------------------------------------------------

Deno.test("a client that is gone when it is to hear its 235 leaves no connection to the mail server", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    const upstream = await connecting(bench);
    bench.near.write = () => Promise.reject(new ConnectionError("reset", "gone"));
    await upstream.send("250 hi\r\n");
    assert.equal(await bench.outcome(), "client_closed");
    await upstream.expectEnd();
  });
});

/** Has `act` done once a mail server is spoken to, and the session ended in the tick in which `line` is counted. */
async function endedAs(
  line: string,
  act: (upstream: Peer, bench: Bench) => Promise<void> | void,
  then: (upstream: Peer, bench: Bench) => Promise<void> | void,
): Promise<void> {
  let interrupt = () => {};
  const counting = (counted: string) => {
    if (counted.startsWith(line)) interrupt();
  };
  await withBench({ counting }, async (bench) => {
    interrupt = () => bench.interrupt("abort");
    await bench.client.expect(GREETING);
    const upstream = await connecting(bench);
    await act(upstream, bench);
    assert.equal(await bench.client.rest(), SHUTDOWN);
    assert.equal(await bench.outcome(), "shutdown");
    await then(upstream, bench);
  });
}

Deno.test("a session that ends as its mail server gets ready leaves no connection to it", () =>
  endedAs("upstream true", (upstream) => upstream.send("250 hi\r\n"), (upstream) => upstream.expectEnd()));

Deno.test("a session that ends as its mail server fails tells nothing of that", () =>
  endedAs(
    "upstream false",
    (_upstream, bench) => bench.dialled[0]!.cut(),
    (_upstream, bench) => assert.deepEqual(bench.events(), ["client_connected", "session_closed"]),
  ));

Deno.test("a buffer that is still read into is lent to nobody", async () => {
  const resolved = gate();
  const options: BenchOptions = {
    resolve: () => resolved.wait.then(() => "pc.example.com"),
    settings: { smtp_greeting_delay: 3_000 },
  };
  await withBench(options, async (bench) => {
    const { near } = bench;
    let lent: Uint8Array | null = null;
    near.read = (into) => {
      lent = into;
      return new Promise(() => {});
    };
    near.write = () => Promise.reject(new ConnectionError("reset", "gone"));
    resolved.open();
    await bench.clock.armedFor(3_000);
    bench.clock.advance(3_000);
    assert.equal(await bench.outcome(), "client_closed");
    assert.notEqual(bench.buffers.take(128), lent);
  });
});

// Meanwhile -------------------------------------------------------------------------------------------------------

Deno.test("what was pipelined is not gone through when the session has ended", async () => {
  const smtp_capabilities = Array.from({ length: 60 }, (_, at) => `X-CAPABILITY-${at}`);
  await withBench({ settings: { smtp_capabilities } }, async (bench) => {
    await bench.client.expect(GREETING);
    const { wait, open } = gate();
    const writing = gate();
    bench.near.write = () => {
      writing.open();
      // The kernel has taken it, whatever comes of the connection.
      return wait;
    };
    await bench.client.send("EHLO a\r\n".repeat(15));
    await writing.wait;
    const commands = () => bench.counted.filter((line) => line.startsWith("command"));
    const before = commands();
    assert.ok(before.length < 15, `${before.length} commands`);
    bench.interrupt("abort");
    open();
    assert.equal(await bench.outcome(), "shutdown");
    assert.deepEqual(commands(), before);
  });
});

Deno.test("a relay that begins while the process drains is ended once its client is silent, at a second look", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    const upstream = await connecting(bench);
    bench.drain();
    await upstream.send("250 hi\r\n");
    await bench.client.expect("235 2.0.0 OK\r\n");
    await bench.clock.armedFor(1_000);
    bench.clock.advance(1_000);
    assert.equal(await bench.client.rest(), SHUTDOWN);
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "shutdown");
  });
});

Deno.test("a relay with a message in flight is not ended by a drain, however long it is silent", async () => {
  await withBench({}, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("MAIL FROM:<a@b.test>\r\n");
    await upstream.expect("MAIL FROM:<a@b.test>\r\n");
    bench.drain();
    for (let look = 0; look < 4; look++) {
      await bench.clock.armedFor(1_000);
      bench.clock.advance(1_000);
    }
    await upstream.send(OK);
    await bench.client.expect(OK);
    await bench.client.send("RSET\r\n");
    await upstream.expect("RSET\r\n");
    await upstream.send(OK);
    await bench.client.expect(OK);
    for (let look = 0; look < 2; look++) {
      await bench.clock.armedFor(1_000);
      bench.clock.advance(1_000);
    }
    assert.equal(await bench.client.rest(), SHUTDOWN);
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "shutdown");
  });
});

Deno.test("a client that takes no 235 before a relay without guard is given up, while the process drains, too", async () => {
  const settings = { smtp_guard: false, timeout: 9_000 };
  await withBench({ pair: { capacity: GREETING.length }, settings }, async (bench) => {
    const upstream = await connecting(bench);
    await upstream.send("250 hi\r\n");
    await bench.clock.armedFor(9_000);
    bench.drain();
    bench.clock.advance(9_000);
    assert.equal(await bench.outcome(), "relay_timeout");
    await upstream.expectEnd();
  });
});

for (const compat of ["off", "nginx"] as const) {
  const passed = compat === "nginx" ? "thrown away" : "passed on";
  Deno.test(`what a mail server says behind its last reply is ${passed} with compat: ${compat}`, async () => {
    const settings = { compat, smtp_guard: false };
    await withBench({ settings }, async (bench) => {
      await bench.client.expect(GREETING);
      const upstream = await connecting(bench, compat === "nginx" ? "HELO mx.test\r\n" : undefined);
      await upstream.send("250 hi\r\n220 more\r\n");
      await bench.client.expect(`235 2.0.0 OK\r\n${compat === "nginx" ? "" : "220 more\r\n"}`);
      await upstream.send("221 bye\r\n");
      upstream.transport.close();
      assert.equal(await bench.client.rest(), "221 bye\r\n");
    });
  });
}

for (const compat of ["off", "nginx"] as const) {
  const heard = compat === "nginx" ? "that its mail server is lost" : "what the mail server still says";
  Deno.test(`a client that has ended its side hears ${heard} with compat: ${compat}`, async () => {
    await withBench({ settings: { compat } }, async (bench) => {
      await bench.client.expect(GREETING);
      const upstream = await connecting(bench, compat === "nginx" ? "HELO mx.test\r\n" : undefined);
      await upstream.send("250 hi\r\n");
      await bench.client.expect("235 2.0.0 OK\r\n");
      await bench.client.send("NOOP\r\n");
      await upstream.expect("NOOP\r\n");
      await bench.client.transport.closeWrite();
      await upstream.expectEnd();
      await upstream.send(OK).catch(() => {/* the connection is closed */});
      upstream.transport.close();
      const lost = "421 4.4.2 mx.test Lost the connection to the mail server\r\n";
      assert.equal(await bench.client.rest(), compat === "nginx" ? lost : OK);
    });
  });
}
