import assert from "node:assert/strict";
import { withBench } from "./bench.ts";
import { CLIENT_HELLO, SERVER_HELLO } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const MESSAGE = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n";
const GO = "250 a\r\n250 b\r\n354 go\r\n";

type Bench = Parameters<Parameters<typeof withBench>[1]>[0];

/** To the data of a message, over a mail server that takes several commands at once. */
async function sending(bench: Bench) {
  const upstream = await bench.relaying();
  await bench.client.send("EHLO again\r\n");
  await upstream.expect("EHLO again\r\n");
  await upstream.send("250-hi\r\n250 PIPELINING\r\n");
  await bench.client.expect("250 mx.test\r\n");
  await bench.client.send(MESSAGE);
  await upstream.expect(MESSAGE);
  await upstream.send(GO);
  await bench.client.expect(GO);
  return upstream;
}

/** The client says QUIT, and hears the mail server's 221. */
async function quits({ client }: Bench, upstream: Awaited<ReturnType<Bench["relaying"]>>): Promise<void> {
  await client.send("QUIT\r\n");
  await upstream.expect("QUIT\r\n");
  await upstream.send("221 bye\r\n");
  await client.expect("221 bye\r\n");
}

/** The client's handshake. */
async function secured({ client }: Bench): Promise<void> {
  await client.send(CLIENT_HELLO);
  await client.expect(SERVER_HELLO);
}

Deno.test("a message in the relay is told of, counted and logged with its queue id", async () => {
  await withBench({}, async (bench) => {
    const upstream = await sending(bench);
    await bench.client.send("x\r\n.\r\nQUIT\r\n");
    await upstream.expect("x\r\n.\r\nQUIT\r\n");
    await upstream.send("250 2.0.0 Ok: queued as 4FJqG1\r\n221 bye\r\n");
    await upstream.transport.closeWrite();
    await bench.client.expect("250 2.0.0 Ok: queued as 4FJqG1\r\n221 bye\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relayed");
    const record = bench.messages[0]?.record;
    assert.deepEqual([record?.outcome, record?.queueId, record?.recipientsAccepted], [
      "accepted",
      "4FJqG1",
      1,
    ]);
    for (const counted of ["count messages accepted", "count recipients accepted", "command DATA 354"]) {
      assert.ok(bench.counted.includes(counted), counted);
    }
  });
});

Deno.test("content with a bare LF: the client hears 521, the mail server the end of the connection and no end of data", async () => {
  await withBench({}, async (bench) => {
    const upstream = await sending(bench);
    await bench.client.send("one\r\ntwo\nthree\r\n.\r\nMAIL FROM:<evil@x.test>\r\n");
    await bench.client.expect(
      "521 5.5.2 mx.test Error: CR or LF of its own received, closing connection\r\n",
    );
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal((await upstream.rest()).includes("\r\n.\r\n"), false);
    assert.equal(await bench.outcome(), "relay_refused");
    assert.ok(bench.counted.includes("count guard_refusals bare_newline"));
    assert.ok(bench.events().includes("relay_refused"));
  });
});

Deno.test("a message that grows too large is cut off at the mail server, and answered at its end", async () => {
  await withBench({ settings: { smtp_max_message_size: 100 } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    const asked = await bench.asked();
    asked.answer({
      kind: "accepted",
      upstreams: [{ kind: "tcp", host: "192.0.2.9", port: 25 }],
      user: null,
      secret: null,
      choices: { tls: null, auth: null, xclient: null, proxyProtocol: null },
    });
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250-hi\r\n250 PIPELINING\r\n");
    await bench.client.expect("235 2.0.0 OK\r\n");
    await bench.client.send(MESSAGE);
    await upstream.expect(MESSAGE);
    await upstream.send(GO);
    await bench.client.expect(GO);
    await bench.client.send("x".repeat(98) + "\r\n");
    await upstream.expect("x".repeat(98) + "\r\n");
    await bench.client.send("more\r\n");
    assert.equal((await upstream.rest()).includes("."), false);
    await bench.client.send("and more\r\n.\r\n");
    await bench.client.expect("552 5.3.4 Message size exceeds fixed limit\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relay_refused");
  });
});

Deno.test("a client that keeps a message waiting for smtp_data_timeout is told 421", async () => {
  await withBench({ settings: { smtp_data_timeout: 60_000 } }, async (bench) => {
    const upstream = await sending(bench);
    await bench.client.send("half\r\n");
    await upstream.expect("half\r\n");
    await bench.clock.armedFor(60_000);
    bench.clock.advance(60_000);
    await bench.client.expect("421 4.4.2 mx.test Timeout, closing connection\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await upstream.rest(), "");
    assert.equal(await bench.outcome(), "relay_refused");
    assert.ok(bench.counted.includes("count guard_refusals data_timeout"));
  });
});

Deno.test("a client that sends an octet now and then runs out of time by smtp_min_data_rate", async () => {
  await withBench({ settings: { smtp_data_timeout: 60_000, smtp_min_data_rate: 1_000 } }, async (bench) => {
    const upstream = await sending(bench);
    for (const left of [60_000, 30_001]) {
      await bench.clock.armedFor(left);
      bench.clock.advance(30_000);
      await bench.client.send("x");
      await upstream.expect("x");
    }
    await bench.clock.armedFor(2);
    bench.clock.advance(2);
    await bench.client.expect("421 4.4.2 mx.test Timeout, closing connection\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relay_refused");
    assert.ok(bench.counted.includes("count guard_refusals data_too_slow"));
  });
});

Deno.test("a mail server that goes after the data and before its reply: the client sees 421 and never 250", async () => {
  await withBench({}, async (bench) => {
    const upstream = await sending(bench);
    await bench.client.send("x\r\n.\r\n");
    await upstream.expect("x\r\n.\r\n");
    upstream.transport.close();
    await bench.client.expect("421 4.4.2 mx.test Lost the connection to the mail server\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relay_lost");
    assert.ok(bench.counted.includes("count messages aborted"));
  });
});

Deno.test("with smtp_guard off octets pass blindly", async () => {
  await withBench({ settings: { smtp_guard: false } }, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("a\nb\rc\0\r\n.\nSTARTTLS\r\n");
    await upstream.expect("a\nb\rc\0\r\n.\nSTARTTLS\r\n");
    await upstream.send("hello\n");
    await bench.client.expect("hello\n");
    upstream.transport.close();
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relayed");
  });
});

Deno.test("a mail server that is lost in the middle of the data: the client is told, whichever way it shows", async () => {
  await withBench({ upstreamPair: { capacity: 1_000 } }, async (bench) => {
    await sending(bench);
    for (let i = 0; i < 4; i++) await bench.client.send("x".repeat(998) + "\r\n");
    bench.dialled[0]!.cut();
    await bench.client.expect("421 4.4.2 mx.test Lost the connection to the mail server\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relay_lost");
    assert.ok(bench.counted.includes("count messages aborted"));
  });
});

Deno.test("the time for content is over with the content, also where that came before the 354", async () => {
  await withBench({ settings: { smtp_data_timeout: 61_000 } }, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("DATA\r\nall of it\r\n.\r\n");
    await upstream.expect("DATA\r\n");
    await upstream.send("354 go\r\n");
    await upstream.expect("all of it\r\n.\r\n");
    bench.clock.advance(61_000);
    await upstream.send("250 2.0.0 Ok: queued as 4FJqG1\r\n");
    await bench.client.expect("354 go\r\n250 2.0.0 Ok: queued as 4FJqG1\r\n");
    await bench.client.send("QUIT\r\n");
    await upstream.expect("QUIT\r\n");
    upstream.transport.close();
    bench.client.transport.close();
    await bench.outcome();
    assert.equal(bench.counted.includes("count guard_refusals data_timeout"), false);
  });
});

Deno.test("a mail server that takes no commands before its replies are taken is heard", async () => {
  await withBench({ upstreamPair: { capacity: 1_000 } }, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("EHLO again\r\n");
    await upstream.expect("EHLO again\r\n");
    await upstream.send("250-hi\r\n250 PIPELINING\r\n");
    await bench.client.expect("250 mx.test\r\n");
    const commands = ("HELP " + "x".repeat(500) + "\r\n").repeat(4);
    const replies = ("214 " + "y".repeat(500) + "\r\n").repeat(4);
    for (let i = 0; i < 3; i++) await bench.client.send(commands);
    // The first of them it has: it reads the others when it has answered that.
    await upstream.send(replies);
    await bench.client.expect(replies);
    await upstream.expect(commands.repeat(3));
    upstream.transport.close();
    bench.client.transport.close();
    await bench.outcome();
  });
});

Deno.test("a relay that is idle for proxy_timeout: the client is told 421, or left when it does not read", async () => {
  for (const reads of [true, false]) {
    await withBench({
      settings: { proxy_timeout: 60_000 },
      ...(reads ? {} : { pair: { capacity: 100 } }),
    }, async (bench) => {
      const upstream = await bench.relaying();
      await bench.client.send("NOOP\r\n");
      await upstream.expect("NOOP\r\n");
      if (!reads) await upstream.send(`250 ${"x".repeat(200)}\r\n`);
      await bench.clock.armedFor(60_000);
      bench.clock.advance(60_000);
      if (reads) {
        await bench.client.expect("421 4.4.2 mx.test Timeout, closing connection\r\n");
        await bench.client.expectEnd();
        bench.client.transport.close();
      } else {
        await bench.clock.armedFor(2_000);
        bench.clock.advance(2_000);
      }
      assert.equal(await upstream.rest(), "");
      assert.equal(await bench.outcome(), "relay_timeout");
    });
  }
});

Deno.test("after QUIT: a client that was told 221 is let go at once, and the mail server when it has ended, too", async () => {
  for (const options of [{}, { ssl: true, tlsEnds: true }] as const) {
    for (const ends of [true, false]) {
      await withBench(options, async (bench) => {
        if ("ssl" in options) await secured(bench);
        const upstream = await bench.relaying();
        await quits(bench, upstream);
        await bench.client.expectEnd();
        await bench.clock.armedFor(2_000);
        assert.deepEqual([bench.near.closed, bench.dialled[0]!.closed], [true, false]);
        if (ends) await upstream.transport.closeWrite();
        else bench.clock.advance(2_000);
        await upstream.expectEnd();
        assert.equal(await bench.outcome(), "relayed");
        assert.deepEqual(bench.sessions[0]?.relayEndedBy, "upstream");
        assert.equal(bench.events().includes("relay_lost"), false);
      });
    }
  }
});

Deno.test("after QUIT: a client that says more, or was not told 221, is read until it goes", async () => {
  const cases = [
    { said: "QUIT\r\nNOOP\r\n", passed: "QUIT\r\n", reply: "221 bye\r\n" },
    { said: "NOOP\r\nQUIT\r\n", passed: "NOOP\r\n", reply: "250 ok\r\n", behind: "221 bye\r\n" },
    { said: "QUIT\r\n", passed: "QUIT\r\n", reply: "500 what?\r\n" },
  ];
  for (const { said, passed, reply, behind } of cases) {
    await withBench({}, async (bench) => {
      const upstream = await bench.relaying();
      await bench.client.send(said);
      await upstream.expect(passed);
      await upstream.send(reply);
      await bench.client.expect(reply);
      if (behind !== undefined) {
        await upstream.expect("QUIT\r\n");
        await upstream.send(behind);
        await bench.client.expect(behind);
      }
      await bench.client.send("late");
      await bench.client.transport.closeWrite();
      await upstream.expectEnd();
      assert.equal(bench.near.closed, false);
      upstream.transport.close();
      await bench.client.expectEnd();
      assert.equal(await bench.outcome(), "relayed");
    });
  }
});

Deno.test("after QUIT: a client that was told much, and may not have heard it, is read until it goes", async () => {
  for (const options of [{}, { ssl: true, tlsEnds: true }] as const) {
    await withBench(options, async (bench) => {
      if ("ssl" in options) await secured(bench);
      const upstream = await bench.relaying();
      for (let turn = 0; turn < 9; turn++) {
        await bench.client.send("NOOP\r\n");
        await upstream.expect("NOOP\r\n");
        await upstream.send(`250 ${"x".repeat(500)}\r\n`);
        await bench.client.expect(`250 ${"x".repeat(500)}\r\n`);
      }
      await quits(bench, upstream);
      await bench.client.send("late");
      assert.equal(bench.near.closed, false);
      upstream.transport.close();
      await bench.client.expectEnd();
      await bench.client.transport.closeWrite();
      assert.equal(await bench.outcome(), "relayed");
    });
  }
});

Deno.test("after QUIT that is refused the session goes on, and may end with another", async () => {
  await withBench({}, async (bench) => {
    const upstream = await bench.relaying();
    for (const [said, reply] of [["QUIT now\r\n", "501 what?\r\n"], ["NOOP\r\n", "250 ok\r\n"]] as const) {
      await bench.client.send(said);
      await upstream.expect(said);
      await upstream.send(reply);
      await bench.client.expect(reply);
    }
    await quits(bench, upstream);
    bench.client.transport.close();
    await upstream.expectEnd();
    upstream.transport.close();
    assert.equal(await bench.outcome(), "relayed");
  });
});

Deno.test("after QUIT and its 221 a drain says no more, and ends what its mail server leaves open", async () => {
  for (const options of [{}, { ssl: true }, { ssl: true, tlsEnds: true }] as const) {
    await withBench(options, async (bench) => {
      if ("ssl" in options) await secured(bench);
      const upstream = await bench.relaying();
      await quits(bench, upstream);
      if (!("ssl" in options) || "tlsEnds" in options) await bench.client.expectEnd();
      bench.drain();
      await bench.clock.armedFor(1_000);
      bench.clock.advance(1_000);
      await upstream.expectEnd();
      await bench.client.expectEnd();
      bench.client.transport.close();
      upstream.transport.close();
      assert.equal(await bench.outcome(), "relayed");
    });
  }
});

Deno.test("after QUIT: a mail server that goes without a word is answered for, and one that says nothing is left with its client", async () => {
  await withBench({}, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("QUIT\r\n");
    await upstream.expect("QUIT\r\n");
    upstream.transport.close();
    await bench.client.expect("421 4.4.2 mx.test Lost the connection to the mail server\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relayed");
  });
  await withBench({}, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("QUIT\r\n");
    await upstream.expect("QUIT\r\n");
    bench.client.transport.close();
    await bench.clock.armedFor(2_000);
    bench.clock.advance(2_000);
    await upstream.expectEnd();
    upstream.transport.close();
    assert.equal(await bench.outcome(), "relayed");
  });
});

Deno.test("after QUIT: 221 that the client does not take keeps its connection until proxy_timeout", async () => {
  for (const options of [{}, { ssl: true, tlsEnds: true }] as const) {
    const settings = { proxy_timeout: 60_000 };
    await withBench({ settings, pair: { capacity: 100 }, ...options }, async (bench) => {
      if ("ssl" in options) await secured(bench);
      const upstream = await bench.relaying();
      await bench.client.send("NOOP\r\n");
      await upstream.expect("NOOP\r\n");
      await upstream.send(`250 ${"x".repeat(200)}\r\n`);
      await bench.client.send("QUIT\r\n");
      await upstream.expect("QUIT\r\n");
      await upstream.send("221 bye\r\n");
      await bench.clock.armedFor(2_000);
      bench.clock.advance(2_000);
      await bench.client.expect(`250 ${"x".repeat(200)}\r\n221 bye\r\n`);
      bench.client.transport.close();
      upstream.transport.close();
      assert.equal(await bench.outcome(), "relayed");
    });
  }
});

Deno.test("after QUIT in TLS the client ends the connection as ever", async () => {
  await withBench({ ssl: true }, async (bench) => {
    await secured(bench);
    const upstream = await bench.relaying();
    await quits(bench, upstream);
    await bench.client.transport.closeWrite();
    await upstream.expectEnd();
    upstream.transport.close();
    await bench.client.expectEnd();
    assert.equal(await bench.outcome(), "relayed");
  });
});

Deno.test("after QUIT in TLS that ends with its last word, what is no 221 is not the last word", async () => {
  await withBench({ ssl: true, tlsEnds: true }, async (bench) => {
    await secured(bench);
    const upstream = await bench.relaying();
    await bench.client.send("QUIT\r\n");
    await upstream.expect("QUIT\r\n");
    await upstream.send("500 what?\r\n");
    await bench.client.expect("500 what?\r\n");
    await quits(bench, upstream);
    upstream.transport.close();
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "relayed");
  });
});
