import assert from "node:assert/strict";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { BufferPool, LARGE_OCTETS, SMALL_OCTETS } from "../../../src/driver/buffer_pool.ts";
import { relay, type RelayOptions, type RelayResult } from "../../../src/driver/relay.ts";
import { ConnectionError, type Transport } from "../../../src/ports/transport.ts";
import type { InMemoryTransport, PairOptions } from "../../support/in_memory_transport.ts";
import { within } from "../../support/patience.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { connection, Disguised, type Peer } from "./peer.ts";

interface Relayed {
  readonly clock: ManualClock;
  readonly buffers: BufferPool;
  readonly client: Peer;
  readonly upstream: Peer;
  readonly nearClient: InMemoryTransport;
  readonly nearUpstream: InMemoryTransport;
  readonly result: Promise<RelayResult>;
}

interface Setting {
  readonly options?: Partial<RelayOptions>;
  readonly client?: PairOptions;
  readonly upstream?: PairOptions;
  readonly wrapUpstream?: (near: InMemoryTransport) => Transport;
}

/** Starts a relay, and checks after `body` that both connections are closed and no wait is left. */
async function relayed(setting: Setting, body: (relayed: Relayed) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const buffers = new BufferPool();
  const client = connection(setting.client);
  const upstream = connection(setting.upstream);
  const options = {
    fromClient: new Uint8Array(0),
    fromUpstream: new Uint8Array(0),
    timeoutMs: 10_000,
    halfClose: true,
    guarded: null,
    ...setting.options,
  };
  const near = setting.wrapUpstream?.(upstream.near) ?? upstream.near;
  const result = relay(client.near, near, options, { clock, buffers });
  await body({
    clock,
    buffers,
    client: client.peer,
    upstream: upstream.peer,
    nearClient: client.near,
    nearUpstream: upstream.near,
    result: within(result, () => "the relay does not end", { ms: 5_000 }),
  });
  await within(result, () => "the relay does not end", { ms: 5_000 });
  assert.equal(client.near.closed && upstream.near.closed, true, "both connections are closed");
  assert.equal(clock.armed, 0, "no wait is left");
}

for (const segment of [1, 7, 65_536]) {
  Deno.test(`relay() brings early octets of both sides first and keeps the order, ${segment} at a time`, async () => {
    await relayed({
      options: { fromClient: encodeLatin1("MAIL\r\n"), fromUpstream: encodeLatin1("220 late\r\n") },
      client: { segment },
      upstream: { segment },
    }, async ({ client, upstream, result }) => {
      await client.send("RCPT\r\nDATA\r\n");
      await upstream.send("250 a\r\n354 b\r\n");
      await upstream.expect("MAIL\r\nRCPT\r\nDATA\r\n");
      await client.expect("220 late\r\n250 a\r\n354 b\r\n");
      await upstream.transport.closeWrite();
      await client.expectEnd();
      client.transport.close();
      const { octetsToUpstream, octetsToClient, timedOut, endedBy } = await result;
      assert.deepEqual([octetsToUpstream, octetsToClient, timedOut, endedBy], [18, 24, false, "upstream"]);
    });
  });
}

Deno.test("relay() lets a client that ends its side hear what the mail server still says", async () => {
  await relayed({}, async ({ client, upstream, result }) => {
    await client.send("QUIT\r\n");
    await client.transport.closeWrite();
    assert.equal(await upstream.rest(), "QUIT\r\n");
    await upstream.send("221 Bye\r\n");
    await upstream.transport.closeWrite();
    assert.equal(await client.rest(), "221 Bye\r\n");
    assert.equal((await result).endedBy, "client");
  });
});

Deno.test("relay() without half-close ends with the client, as nginx does", async () => {
  await relayed({ options: { halfClose: false } }, async ({ client, upstream }) => {
    await client.send("QUIT\r\n");
    await client.transport.closeWrite();
    assert.equal(await upstream.rest(), "QUIT\r\n");
    await client.expectEnd();
  });
});

Deno.test("relay() ends for the client when the mail server has ended, and throws away what still comes", async () => {
  await relayed({}, async ({ client, upstream, clock, result }) => {
    await upstream.send("421 going\r\n");
    await upstream.transport.closeWrite();
    await client.expect("421 going\r\n");
    await client.expectEnd();
    await client.send("x".repeat(200_000));
    await clock.armedFor(2_000);
    clock.advance(2_000);
    assert.deepEqual([(await result).octetsToUpstream, (await result).timedOut], [0, false]);
  });
});

/** A mail server's connection whose other end was closed with octets unread: reading goes on, writing fails. */
class Reset extends Disguised {
  readonly #reset = Promise.withResolvers<never>();

  constructor(inner: Transport) {
    super(inner, {});
    this.#reset.promise.catch(() => {});
  }

  reset(): void {
    this.#reset.reject(new ConnectionError("reset", "Cannot write: broken pipe"));
  }

  override write(bytes: Uint8Array): Promise<void> {
    return Promise.race([this.#reset.promise, super.write(bytes)]);
  }
}

Deno.test("relay() brings the client a mail server's 552 though that server takes nothing more", async () => {
  let near: Reset | null = null;
  await relayed({
    upstream: { capacity: 1_000 },
    wrapUpstream: (inner) => near = new Reset(inner),
  }, async ({ client, upstream, result, clock }) => {
    await client.send("x".repeat(2_000));
    await client.send("x".repeat(60_000));
    await upstream.send("552 5.3.4 too big\r\n");
    near!.reset();
    await upstream.transport.closeWrite();
    await client.expect("552 5.3.4 too big\r\n");
    await client.expectEnd();
    // It never stops sending, and is not waited for.
    await clock.armedFor(2_000);
    clock.advance(2_000);
    assert.equal((await result).endedBy, "upstream");
  });
});

Deno.test("relay() ends when the client is lost, whatever the mail server does", async () => {
  await relayed({}, async ({ client, upstream, result }) => {
    client.transport.cut();
    await upstream.expectEnd();
    assert.equal((await result).endedBy, "client");
  });
});

Deno.test("relay() ends for the client when the mail server is lost", async () => {
  await relayed({}, async ({ client, upstream, clock }) => {
    upstream.transport.cut();
    await client.expectEnd();
    await clock.armedFor(2_000);
    clock.advance(2_000);
  });
});

Deno.test("relay() is cut when neither side says anything for the timeout, and not before", async () => {
  for (const side of ["client", "upstream"] as const) {
    await relayed({}, async (relayed) => {
      const { clock, client, upstream, result } = relayed;
      for (let turn = 0; turn < 3; turn++) {
        clock.advance(9_999);
        await relayed[side].send("NOOP\r\n");
        await (side === "client" ? upstream : client).expect("NOOP\r\n");
        await clock.armedFor(10_000);
      }
      clock.advance(10_000);
      assert.equal((await result).timedOut, true);
    });
  }
});

Deno.test("relay() is cut when a side takes nothing for the timeout", async () => {
  await relayed({ client: { capacity: 100 } }, async ({ upstream, clock, result }) => {
    await upstream.send("x".repeat(1_000));
    await upstream.send("y".repeat(1_000));
    await clock.armedFor(10_000);
    clock.advance(10_000);
    assert.equal((await result).timedOut, true);
  });
});

Deno.test("relay() reads no more than it can pass on", async () => {
  await relayed({
    client: { capacity: 4_096 },
    upstream: { capacity: 4_096 },
  }, async ({ client, upstream, nearUpstream }) => {
    let taken = 0;
    const sending = (async () => {
      for (let part = 0; part < 1_000; part++) {
        await upstream.transport.write(new Uint8Array(4_096));
        taken += 4_096;
      }
    })().catch(() => {});
    // The client reads nothing. Whatever could move has moved after these turns.
    for (let turn = 0; turn < 10_000; turn++) await Promise.resolve();
    const bound = 3 * LARGE_OCTETS;
    assert.equal(taken < bound, true, `${taken} octets were taken from the mail server`);
    nearUpstream.cut();
    client.transport.cut();
    await sending;
  });
});

Deno.test("relay() gives its buffers back, large ones too", async () => {
  const large = new Uint8Array(300_000).fill(0x78);
  await relayed({}, async ({ client, upstream, buffers }) => {
    await client.transport.write(large);
    let left = large.length;
    const into = new Uint8Array(65_536);
    while (left > 0) left -= (await upstream.transport.read(into))!;
    await client.transport.closeWrite();
    await upstream.transport.closeWrite();
    await client.expectEnd();
    const [first, second, third] = [buffers.takeFlow(), buffers.takeFlow(), buffers.takeFlow()];
    const used = [first, second, third].filter((buffer) => buffer?.includes(0x78)).length;
    assert.equal(used, 1, "one buffer was used, and lent again");
    const small = [buffers.take(SMALL_OCTETS), buffers.take(SMALL_OCTETS)];
    assert.equal(small.filter((buffer) => buffer.includes(0x78)).length, 1);
  });
});
