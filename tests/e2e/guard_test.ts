import assert from "node:assert/strict";
import { decodeLatin1 } from "../../src/bytes/latin1.ts";
import { type Directives, type Edge, withEdge } from "../support/edge.ts";
import { messageContent } from "../support/message.ts";
import { FALSE_ENDS } from "../support/false_ends.ts";
import { accepted } from "../support/scripted_callout.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";
import { digestOf, SmtpSink } from "../support/smtp_sink.ts";

const OFF: Directives = { xclient: "off" };

/** With a mail server that takes everything. */
async function withSink(
  directives: Directives,
  body: (edge: Edge, sink: SmtpSink) => Promise<void>,
): Promise<void> {
  await using sink = new SmtpSink({ capabilities: ["PIPELINING", "SIZE 99000000"] });
  await withEdge({
    callout: () => accepted(sink.port),
    servers: () => [{ ...OFF, ...directives }],
  }, (edge) => body(edge, sink));
}

Deno.test("what a client pipelines in groups arrives octet for octet, several messages in one session", async () => {
  await withSink({}, async ({ connect, postern }, sink) => {
    await using client = await connect();
    await client.authPlain("alice", "secret");
    const contents = [1_000, 300_000, 5_000_000, 777].map(messageContent);
    let behind = "";
    for (const [i, content] of contents.entries()) {
      const mail = `MAIL FROM:<a${i}@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@f.test>\r\nDATA\r\n`;
      await client.send(behind + mail);
      if (i > 0) await client.expect(/^250 .*sunk/);
      for (const reply of [/^250/, /^250/, /^250/, /^354/]) await client.expect(reply);
      await client.send(content);
      behind = ".\r\n";
    }
    await client.send(behind + "QUIT\r\n");
    await client.expect(/^250 .*sunk/);
    await client.expect(/^221/);
    await client.expectEnd();
    assert.deepEqual(
      sink.messages.map(({ digest, octets }) => [digest, octets]),
      contents.map((content) => [digestOf(content), content.length]),
    );
    const line = await postern.event("session_closed");
    assert.deepEqual([line["messages"], line["recipients"]], [4, 8]);
  });
});

const SMUGGLED = "MAIL FROM:<admin@b.test>\r\nRCPT TO:<victim@b.test>\r\nDATA\r\nforged\r\n.\r\n";

Deno.test("CVE-2023-51764, CVE-2023-51765, CVE-2023-51766: no false end of data brings a mail server anything, whatever the policy is", async () => {
  for (const smtp_bare_newline of ["reject", "pass"]) {
    await withSink({ smtp_bare_newline, smtp_nul: smtp_bare_newline }, async ({ connect }, sink) => {
      for (const end of FALSE_ENDS) {
        await using client = await connect();
        await client.authPlain("alice", "secret");
        await client.command("MAIL FROM:<a@b.test>", /^250/);
        await client.command("RCPT TO:<c@d.test>", /^250/);
        await client.command("DATA", /^354/);
        await client.send(`one${end}${SMUGGLED}`);
        await client.expect(/^(521 5\.5\.2|550 5\.6\.0) /);
        await client.expectEnd();
      }
      assert.deepEqual(sink.messages, []);
      assert.ok(
        sink.sessions.every(({ commands }) =>
          commands.filter((line) => line.startsWith("MAIL")).length === 1
        ),
      );
    });
  }
});

Deno.test("SMTP smuggling: where line ends are repaired, false ends are content of the one message", async () => {
  await withSink({ smtp_bare_newline: "normalize", smtp_nul: "pass" }, async ({ connect }, sink) => {
    for (const [i, end] of FALSE_ENDS.entries()) {
      await using client = await connect();
      await client.authPlain("alice", "secret");
      await client.sendMessage(`one${end}MAIL FROM:<admin@b.test>\r\n`);
      await client.quit();
      assert.equal(sink.messages.length, i + 1, JSON.stringify(end));
    }
  });
});

Deno.test("a message over smtp_max_message_size is refused with 552, by SIZE at once and by its octets at its end", async () => {
  await withSink({ smtp_max_message_size: "100k" }, async ({ connect }, sink) => {
    await using client = await connect();
    await client.command("EHLO client.example", /SIZE 102400/);
    await client.authPlain("alice", "secret");
    await client.command("EHLO client.example", "250-mail.test\r\n250 SIZE 102400");
    await client.command("MAIL FROM:<a@b.test> SIZE=102401", "552 5.3.4 Message size exceeds fixed limit");
    await client.command("MAIL FROM:<a@b.test> SIZE=1", /^250/);
    await client.command("RCPT TO:<c@d.test>", /^250/);
    await client.command("DATA", /^354/);
    await client.send(messageContent(3_000_000));
    await client.command(".", "552 5.3.4 Message size exceeds fixed limit");
    await client.expectEnd();
    assert.deepEqual(sink.messages, []);
  });
});

Deno.test("chunks of BDAT reach a mail server that has CHUNKING octet for octet, and no other", async () => {
  const chunk = decodeLatin1(messageContent(70_000)) + "\n.\n\0\r\n.\r\n";
  const heard: string[] = [];
  await using upstream = new ScriptedUpstream(async (peer, index) => {
    await peer.reply("220 mx.test");
    await peer.answer(/^EHLO/, "250-mx.test", ...index === 0 ? ["250-CHUNKING"] : [], "250 PIPELINING");
    await peer.answer("MAIL FROM:<a@b.test>", "250 ok");
    if (index === 0) {
      await peer.expect(`BDAT ${chunk.length}`);
      heard.push(await peer.readOctets(chunk.length));
      await peer.reply("250 some");
      await peer.answer("BDAT 0 LAST", "250 2.0.0 Ok: queued as BDAT1");
    }
    await peer.answer("QUIT", "221 bye");
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [{ ...OFF, smtp_capabilities: ["CHUNKING"] }],
  }, async ({ connect, postern }) => {
    for (const replies of [["250 some", /queued as BDAT1/], [/^502 5.5.1/, /^502 5.5.1/]] as const) {
      await using client = await connect();
      await client.authPlain("alice", "secret");
      await client.send(`MAIL FROM:<a@b.test>\r\nBDAT ${chunk.length}\r\n${chunk}BDAT 0 LAST\r\nQUIT\r\n`);
      await client.expect("250 ok");
      for (const reply of replies) await client.expect(reply);
      await client.expect("221 bye");
    }
    const message = await postern.event("message");
    assert.deepEqual([message["queue_id"], message["octets"], message["outcome"]], [
      "BDAT1",
      chunk.length,
      "accepted",
    ]);
  });
  assert.deepEqual(heard, [chunk]);
});

/** A mail server that takes no login, for what happens behind QUIT. */
async function enter(peer: UpstreamDialogue): Promise<void> {
  await peer.reply("220 mx.test");
  await peer.answer(/^EHLO/, "250 mx.test");
  await peer.expect("QUIT");
}

/** How the next session ends that is not among the `told` ones. */
async function nextOutcome(postern: Edge["postern"], told: Set<unknown>): Promise<unknown> {
  const line = await postern.event("session_closed", ({ session }) => !told.has(session));
  told.add(line["session"]);
  return line["outcome"];
}

for (const security of [null, "TLSv1.2", "TLSv1.3"] as const) {
  Deno.test(`QUIT in the relay: the client has its 221 and a clean end, whatever stands behind QUIT and whether or not the mail server ends, ${security ?? "in clear"}`, async () => {
    const cases = ["", "NOOP\r\n", "x".repeat(100_000)].flatMap((behind) =>
      [true, false].map((ends) => ({ behind, ends }))
    );
    await using upstream = new ScriptedUpstream(async (peer, index) => {
      await enter(peer);
      await peer.reply("221 2.0.0 bye");
      if (!cases[index]!.ends) assert.deepEqual(await peer.readToEnd(), { text: "", ending: "end" });
    });
    await withEdge({
      callout: () => accepted(upstream.port),
      servers: (files) => [{ ...OFF, ...(security !== null && { ...files.server(), ssl: "on" }) }],
    }, async ({ connect, files, postern }) => {
      const told = new Set<unknown>();
      for (const { behind, ends } of cases) {
        await using client = await connect(0, { greeting: false });
        if (security !== null) {
          const authorities = files.made.root.certificate;
          await client.startTls({ authorities, serverName: "mail.test", maxVersion: security });
        }
        await client.expect("220 mail.test ESMTP ready");
        await client.authPlain("alice", "secret");
        await client.send(`QUIT\r\n${behind}`);
        await client.expect("221 2.0.0 bye");
        // It is the client's turn to end where the mail server does not, and it may have said more than it should.
        if (behind !== "" && !ends) await client.closeWrite();
        await client.expectEnd();
        // In clear Postern waits for nobody who said no more than QUIT.
        if (security !== null || behind !== "") await client.close();
        assert.equal(await nextOutcome(postern, told), "relayed");
      }
    });
  });
}

Deno.test("a client in TLS that says QUIT and goes, or says more after its 221, has ended well", async () => {
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    await peer.reply("221 2.0.0 bye");
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: (files) => [{ ...OFF, ...files.server(), ssl: "on" }],
  }, async ({ connect, files, postern }) => {
    const told = new Set<unknown>();
    for (const goes of ["before its 221", "after it", "after more"]) {
      await using client = await connect(0, { greeting: false });
      await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      await client.expect("220 mail.test ESMTP ready");
      await client.authPlain("alice", "secret");
      await client.send("QUIT\r\n");
      if (goes !== "before its 221") await client.expect("221 2.0.0 bye");
      if (goes === "after more") await client.send("x".repeat(100_000));
      await client.close();
      assert.equal(await nextOutcome(postern, told), "relayed", goes);
    }
  });
});

Deno.test("QUIT that a mail server never answers: it hears the end when the client has gone", async () => {
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    assert.deepEqual(await peer.readToEnd(), { text: "", ending: "end" });
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [OFF],
  }, async ({ connect, postern }) => {
    {
      await using client = await connect();
      await client.authPlain("alice", "secret");
      await client.send("QUIT\r\n");
    }
    assert.equal((await postern.event("session_closed"))["outcome"], "relayed");
  });
});
