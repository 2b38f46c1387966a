import assert from "node:assert/strict";
import { HandshakeSlots } from "../../../src/driver/handshake_slots.ts";
import { type BenchOptions, withBench } from "./bench.ts";
import { CLIENT_HELLO, SERVER_HELLO } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const NOT_SMTP = "421 4.7.0 This is an SMTP server, closing connection\r\n";

const STRANGERS: readonly (readonly [name: string, said: string, protocol: string, heard: string])[] = [
  ["a TLS handshake without a line end", "\x16\x03\x01\x02\x00\x01", "tls", ""],
  ["a TLS handshake with a line end", "\x16\x03\x01\n\x00\r\n", "tls", ""],
  ["an octet of a binary protocol", "\x03", "binary", ""],
  ["an HTTP request", "POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO a\r\nMAIL FROM:<a>\r\n", "http", NOT_SMTP],
  ["a message", "Subject: a\r\nEHLO a\r\n", "header", NOT_SMTP],
  ["an SSH banner", "SSH-2.0-OpenSSH_9.2p1\r\n", "ssh", ""],
  [
    "a PROXY header of version 2",
    "\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c",
    "binary",
    "500 5.5.1 Invalid command\r\n".repeat(2),
  ],
];

for (const [name, said, protocol, heard] of STRANGERS) {
  Deno.test(`${name} ends the session at once, and is counted`, async () => {
    await withBench({}, async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send(said);
      assert.equal(await bench.client.rest(), heard);
      bench.client.transport.close();
      assert.equal(await bench.outcome(), "not_smtp");
      assert.deepEqual(bench.counted.filter((line) => line.startsWith("count")), [
        `count not_smtp ${protocol}`,
      ]);
      assert.deepEqual(bench.events().filter((event) => event === "not_smtp"), ["not_smtp"]);
    });
  });
}

Deno.test('what is no SMTP is read like anything else with "compat: nginx"', async () => {
  await withBench({ settings: { compat: "nginx" } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("\x16\x03\x01");
    await bench.client.send("\r\n");
    await bench.client.expect("500 5.5.1 Invalid command\r\n");
  });
});

Deno.test("a binary octet in a SASL response is a bad response", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("AUTH PLAIN\r\n");
    await bench.client.expect("334 \r\n");
    await bench.client.send("\x16");
    await bench.client.send("\r\n");
    await bench.client.expect("501 5.5.2 Cannot read the authentication response\r\n");
  });
});

Deno.test("a client that does not wait for EHLO's reply is turned away where mail needs no login", async () => {
  await withBench(
    { settings: { smtp_auth: ["none"], smtp_reject_unauth_pipelining: "auto" } },
    async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send("EHLO a\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n");
      assert.equal(await bench.client.rest(), "554 5.5.0 Error: SMTP protocol synchronization\r\n");
      bench.client.transport.close();
      assert.equal(await bench.outcome(), "pipelining");
    },
  );
});

Deno.test("max_commands ends the session", async () => {
  await withBench({ settings: { max_commands: 2 } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n");
    const ok = "250 2.0.0 OK\r\n";
    assert.equal(await bench.client.rest(), `${ok}${ok}421 4.7.0 Too many commands, closing connection\r\n`);
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "too_many_commands");
  });
});

// Health checks ---------------------------------------------------------------------------------------------------

const SILENT: readonly { readonly name: string; readonly options: BenchOptions; readonly hears: string }[] = [
  { name: "that waits for the greeting", options: {}, hears: GREETING },
  {
    name: "that does not wait for the greeting",
    options: { settings: { smtp_greeting_delay: 1_000 } },
    hears: "",
  },
  { name: "of a TLS port", options: { ssl: true }, hears: "" },
];

for (const { name, options, hears } of SILENT) {
  for (const how of ["closes", "resets"] as const) {
    Deno.test(`a client ${name} and ${how} without a word has one line, at debug`, async () => {
      await withBench(options, async (bench) => {
        await bench.client.expect(hears);
        if (how === "closes") await bench.client.transport.closeWrite();
        else bench.client.transport.cut();
        assert.equal(await bench.outcome(), "client_closed");
        assert.deepEqual(bench.log.map(({ level, event }) => [level, event]), [["debug", "client_silent"]]);
        assert.deepEqual(bench.counted.filter((line) => line.startsWith("tls")), []);
      });
    });
  }
}

Deno.test('a client that says nothing has nginx\'s line with "compat: nginx"', async () => {
  await withBench({ settings: { compat: "nginx" } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.transport.closeWrite();
    assert.equal(await bench.outcome(), "client_closed");
    assert.deepEqual(bench.events(), ["client_connected", "session_closed"]);
  });
});

Deno.test("a client that says nothing for too long is told of like any other", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.clock.armedFor(60_000);
    bench.clock.advance(60_000);
    await bench.client.expect("421 4.4.2 mx.test Timeout, closing connection\r\n");
    assert.equal(await bench.outcome(), "timeout");
    assert.deepEqual(bench.events(), ["client_connected", "session_closed"]);
  });
});

// Handshakes ------------------------------------------------------------------------------------------------------

const STARTTLS: BenchOptions = { settings: { starttls: "on" } };

/** Whether a slot is to be had, without anybody giving way. */
function takes(slots: HandshakeSlots): boolean {
  return slots.take(0, () => {}) !== null;
}

Deno.test("a handshake that has taken five seconds gives way where there is no room for another", async () => {
  const handshakes = new HandshakeSlots(1);
  await withBench({ ...STARTTLS, handshakes }, async (first) => {
    await first.client.expect(GREETING);
    await first.client.send("STARTTLS\r\n");
    await first.client.expect("220 2.0.0 Start TLS\r\n");
    await withBench({ ...STARTTLS, handshakes }, async (second) => {
      await second.client.expect(GREETING);
      second.clock.advance(4_999);
      await second.client.send("STARTTLS\r\n");
      await second.client.expect("454 4.7.0 TLS not available at the moment\r\n");
      second.clock.advance(1);
      await second.client.send("STARTTLS\r\n");
      await second.client.expect("220 2.0.0 Start TLS\r\n");
      await first.client.expectEnd();
      assert.equal(await first.outcome(), "timeout");
      await second.client.send(CLIENT_HELLO + "NOOP\r\n");
      await second.client.expect(`${SERVER_HELLO}250 2.0.0 OK\r\n`);
    });
  });
  assert.deepEqual([takes(handshakes), takes(handshakes)], [true, false]);
});

Deno.test("the oldest handshake gives way, once, and no other", () => {
  const handshakes = new HandshakeSlots(2);
  const gaveWay: string[] = [];
  const take = (name: string, now: number) => handshakes.take(now, () => gaveWay.push(name));
  const first = take("first", 0);
  take("second", 1_000);
  assert.notEqual(take("third", 5_000), null);
  assert.deepEqual(gaveWay, ["first"]);
  assert.equal(take("fourth", 5_001), null);
  // That it is given back makes no room: it has none any more.
  handshakes.give(first!);
  assert.equal(take("fourth", 5_001), null);
  assert.notEqual(take("fourth", 6_000), null);
  assert.deepEqual(gaveWay, ["first", "second"]);
});

Deno.test("STARTTLS over ssl_max_handshakes gets 454, and works when a handshake has ended", async () => {
  const handshakes = new HandshakeSlots(1);
  await withBench({ ...STARTTLS, handshakes }, async (first) => {
    await first.client.expect(GREETING);
    await first.client.send("STARTTLS\r\n");
    await first.client.expect("220 2.0.0 Start TLS\r\n");
    await withBench({ ...STARTTLS, handshakes }, async (second) => {
      await second.client.expect(GREETING);
      await second.client.send("STARTTLS\r\n");
      await second.client.expect("454 4.7.0 TLS not available at the moment\r\n");
      assert.equal(second.counted.includes("count tls_refused starttls"), true);
      await first.client.send(CLIENT_HELLO + "NOOP\r\n");
      await first.client.expect(`${SERVER_HELLO}250 2.0.0 OK\r\n`);
      await second.client.send("STARTTLS\r\n");
      await second.client.expect("220 2.0.0 Start TLS\r\n");
    });
  });
  assert.deepEqual([takes(handshakes), takes(handshakes)], [true, false], "all were given back");
});

Deno.test("implicit TLS over ssl_max_handshakes is closed without a word", async () => {
  const handshakes = new HandshakeSlots(1);
  const other = handshakes.take(Number.POSITIVE_INFINITY, () => {});
  await withBench({ ssl: true, handshakes }, async (bench) => {
    await bench.client.expectEnd();
    assert.equal(await bench.outcome(), "tls_refused");
    assert.equal(bench.counted.includes("count tls_refused implicit"), true);
  });
  handshakes.give(other!);
  assert.deepEqual([takes(handshakes), takes(handshakes)], [true, false], "no other was given back");
});

for (
  const { name, settings, ms } of [
    { name: "ssl_handshake_timeout", settings: { ssl_handshake_timeout: 5_000 }, ms: 5_000 },
    { name: "timeout", settings: { timeout: 4_000, ssl_handshake_timeout: 5_000 }, ms: 4_000 },
  ]
) {
  Deno.test(`a handshake that does not end is ended after ${name}, and its slot is free again`, async () => {
    const handshakes = new HandshakeSlots(1);
    await withBench({ settings: { ...settings, starttls: "on" }, handshakes }, async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send("STARTTLS\r\n");
      await bench.client.expect("220 2.0.0 Start TLS\r\n");
      await bench.clock.armedFor(ms);
      bench.clock.advance(ms);
      await bench.client.expectEnd();
      assert.equal(await bench.outcome(), "timeout");
    });
    assert.equal(takes(handshakes), true);
  });
}

Deno.test("HandshakeSlots without a limit always has one", () => {
  const slots = new HandshakeSlots(0);
  assert.equal(Array.from({ length: 5_000 }, () => takes(slots)).every((taken) => taken), true);
});
