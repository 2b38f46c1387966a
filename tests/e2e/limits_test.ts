import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { accepted, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const INVALID = "500 5.5.1 Invalid command";
const TIMEOUT = /^421 4\.4\.2 mail\.test /;

/** For tests in which nobody gets as far as a login. */
const UNUSED = () => refused("not reached");

Deno.test("a client that talks before the greeting is sent away", async () => {
  await withEdge({
    callout: UNUSED,
    servers: () => [{ smtp_greeting_delay: "10s" }, { smtp_greeting_delay: "300ms" }],
  }, async ({ connect, postern }) => {
    await using early = await connect(0, { greeting: false });
    await early.send("EHLO early.example\r\n");
    await early.expect("503 5.5.0 Improper use of SMTP command pipelining");
    await early.expectEnd();
    await using leaver = await connect(0, { greeting: false });
    await leaver.closeWrite();
    await leaver.expectEnd();
    await using patient = await connect(1);
    await patient.command("EHLO patient.example", /^250/);
    await patient.quit();
    // The one that left without a word has no line.
    const ends = [1, 3].map((conn) => postern.event("session_closed", (line) => line["conn"] === conn));
    const outcomes = (await Promise.all(ends)).map((line) => line["outcome"]);
    assert.deepEqual(outcomes, ["early_talker", "quit"]);
  });
});

Deno.test("max_errors ends a session of nonsense, also when it is pipelined, and the last reply arrives", async () => {
  await withEdge({
    callout: UNUSED,
    servers: () => [{ max_errors: 3 }],
  }, async ({ connect, postern }) => {
    for (
      const segments of [["BLAH\r\n", "\r\n", "X\0Y\r\n"], [
        "BLAH\r\n\r\nX\0Y\r\n" + "FOO\r\n".repeat(10_000),
      ]]
    ) {
      await using client = await connect();
      await client.command("VRFY somebody", INVALID); // known, so not counted
      for (const segment of segments) await client.send(segment);
      for (let i = 0; i < 3; i++) await client.expect(INVALID);
      await client.expectEnd();
    }
    await postern.event("session_closed", (line) => line["conn"] === 2);
    const ends = postern.log.filter(({ event }) => event === "session_closed");
    assert.deepEqual(ends.map((line) => line["outcome"]), ["too_many_errors", "too_many_errors"]);
  });
});

Deno.test("a line longer than smtp_client_buffer ends the session, a batch of short lines does not", async () => {
  await withEdge({ callout: UNUSED, servers: () => [{ smtp_client_buffer: 512 }] }, async ({ connect }) => {
    await using batch = await connect();
    await batch.send("NOOP 0123456789\r\n".repeat(500));
    for (let i = 0; i < 500; i++) await batch.expect("250 2.0.0 OK");
    await batch.quit();
    for (const line of ["x".repeat(513), "x".repeat(100_000), "NOOP " + "y".repeat(600) + "\r\n"]) {
      await using client = await connect();
      await client.send(line);
      await client.expect(INVALID);
      await client.expectEnd();
    }
  });
});

Deno.test("SASL lines may be longer than smtp_client_buffer, up to 12288 octets", async () => {
  await withEdge({
    callout: (request) => refused(`got ${request.header("Auth-Pass")?.length}`, "Auth-Wait: 1"),
    servers: () => [{ smtp_client_buffer: 512 }],
  }, async ({ connect }) => {
    await using client = await connect();
    await client.authPlain("u", "s".repeat(9_000), "535 5.7.0 got 9000");
    await client.command("AUTH PLAIN", "334 ");
    await client.command(btoa("\0u\0" + "s".repeat(9_200)), "535 5.7.0 got 9200");
    await client.command("AUTH PLAIN", "334 ");
    await client.send("QUJD".repeat(3_073) + "\r\n");
    await client.expect(/^500 5\.5\.6 /);
  });
});

Deno.test("a client that says nothing is told 421 after timeout, each command gives it new time", async () => {
  await withEdge({
    callout: UNUSED,
    servers: (files) => [
      { timeout: "1s" },
      { timeout: "1s", ...files.server(), ssl: "on" },
      { timeout: "1s", listen: "127.0.0.1:0 proxy_protocol" },
      { timeout: "10s", session_timeout: "1s" },
    ],
  }, async ({ connect, files }) => {
    const silent = async () => {
      await using client = await connect();
      await client.expect(TIMEOUT);
      await client.expectEnd();
    };
    const halfLine = async () => {
      await using client = await connect();
      await client.send("NOO");
      await client.expect(TIMEOUT);
      await client.expectEnd();
    };
    const inAuth = async () => {
      await using client = await connect();
      await client.command("AUTH LOGIN", /^334 /);
      await client.expect(TIMEOUT);
      await client.expectEnd();
    };
    const busy = async () => {
      await using client = await connect();
      const began = Date.now();
      while (Date.now() - began < 1_500) {
        await client.command("NOOP", "250 2.0.0 OK");
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      await client.quit();
    };
    const secure = async () => {
      await using client = await connect(1, { greeting: false });
      await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      await client.expect(/^220 /);
      await client.expect(TIMEOUT);
      await client.expectEnd();
    };
    const noHandshake = async () => {
      await using client = await connect(1, { greeting: false });
      assert.equal((await client.readToEnd()).text, "");
    };
    const noHeader = async () => {
      await using client = await connect(2, { greeting: false });
      await client.send("PROXY TCP4 ");
      assert.equal((await client.readToEnd()).text, "");
    };
    const tooLong = async () => {
      await using client = await connect(3);
      for (;;) {
        await client.send("NOOP\r\n");
        if (/^421 /.test(await client.readReply())) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await Promise.all([
      silent(),
      halfLine(),
      inAuth(),
      busy(),
      secure(),
      noHandshake(),
      noHeader(),
      tooLong(),
    ]);
  });
});

Deno.test("SIGTERM asks idle clients to come back later and lets a relay finish", async () => {
  await using sink = new SmtpSink();
  await withEdge(
    { callout: () => accepted(sink.port), mail: () => ({ xclient: "off" }) },
    async ({ connect, postern }) => {
      await using idle = await connect();
      await using busy = await connect();
      await busy.authPlain("alice", "secret");
      await busy.beginMessage();
      postern.signal("SIGTERM");
      await idle.expect(/^421 4\.3\.2 mail\.test /);
      await idle.expectEnd();
      await busy.finishMessage("Subject: x\r\n\r\nx\r\n");
      await busy.quit();
    },
  );
});
