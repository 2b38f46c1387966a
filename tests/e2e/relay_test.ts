import assert from "node:assert/strict";
import { type Directives, withEdge } from "../support/edge.ts";
import { messageContent } from "../support/message.ts";
import { accepted } from "../support/scripted_callout.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";
import { decodeLatin1 } from "../../src/bytes/latin1.ts";

const XCLIENT_OFF: Directives = { xclient: "off" };

/** Greeting and EHLO: all that Postern says to this mail server before the relay. */
async function enter(peer: UpstreamDialogue): Promise<void> {
  await peer.reply("220 mx.test ESMTP");
  await peer.answer("EHLO mail.test", "250-mx.test", "250 PIPELINING");
}

Deno.test("a client that ends its direction still gets every outstanding reply", async () => {
  const gone = Promise.withResolvers<void>();
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    const { text, ending } = await peer.readToEnd();
    assert.deepEqual([text, ending], ["NOOP\r\nQUIT\r\n", "end"]);
    await gone.promise;
    await peer.reply("250 2.0.0 late", "221 2.0.0 Bye");
    await peer.closeWrite();
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: (files) => [XCLIENT_OFF, { ...XCLIENT_OFF, ...files.server(), ssl: "on" }],
  }, async ({ connect }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret");
    await client.send("NOOP\r\nQUIT\r\n");
    await client.closeWrite();
    gone.resolve();
    await client.expect("250 2.0.0 late");
    await client.expect("221 2.0.0 Bye");
    await client.expectEnd();
  });
});

Deno.test("a mail server that ends its direction still gets what the client says", async () => {
  const heard = Promise.withResolvers<string>();
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    await peer.reply("421 4.3.2 going");
    await peer.closeWrite();
    heard.resolve((await peer.readToEnd()).text);
  });
  await withEdge(
    { callout: () => accepted(upstream.port), servers: () => [XCLIENT_OFF] },
    async ({ connect }) => {
      await using client = await connect();
      await client.authPlain("alice", "secret");
      await client.expect("421 4.3.2 going");
      await client.send("QUIT\r\n");
      await client.closeWrite();
      await client.readToEnd();
      assert.ok(["QUIT\r\n", ""].includes(await heard.promise));
    },
  );
});

Deno.test("what a client pipelines behind AUTH and RCPT reaches the mail server in order", async () => {
  const rest = "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n" +
    decodeLatin1(messageContent(30_000)) + ".\r\nQUIT\r\n";
  const heard: string[] = [];
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    heard.push(await peer.readOctets(rest.length));
    await peer.reply("250 a", "250 b", "354 c", "250 d", "221 e");
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    mail: () => XCLIENT_OFF,
  }, async ({ connect }) => {
    for (const step of [Infinity, 1_000, 7_919]) {
      await using client = await connect();
      const said = `EHLO client.example\r\nNOOP\r\nAUTH PLAIN ${btoa("\0alice\0secret")}\r\n${rest}`;
      for (let at = 0; at < said.length; at += step) await client.send(said.slice(at, at + step));
      await client.expect("250-mail.test\r\n250 AUTH PLAIN LOGIN");
      await client.expect("250 2.0.0 OK");
      await client.expect("235 2.0.0 OK");
      for (const reply of ["250 a", "250 b", "354 c", "250 d", "221 e"]) await client.expect(reply);
      await client.expectEnd();
    }
  });
  assert.deepEqual(heard, [rest, rest, rest]);
});

Deno.test("without a login MAIL and RCPT are replayed as typed and the rest follows", async () => {
  const heard: string[] = [];
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    heard.push(await peer.answer(/^mail/, "250 2.1.0 sender fine"));
    heard.push(await peer.answer(/^Rcpt/, "250-2.1.5 one", "250 2.1.5 two"));
    heard.push(await peer.answer("RCPT TO:<c@example.test>", "550 5.1.1 no such"));
    await peer.answer("QUIT", "221 bye");
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [{ ...XCLIENT_OFF, smtp_auth: "none" }],
  }, async ({ connect }) => {
    await using client = await connect();
    await client.send(
      "EHLO client.example\r\nmail  from:<a@example.test>   SIZE=10 \r\nRcpt to: <b@example.test>\r\n" +
        "RCPT TO:<c@example.test>\r\nQUIT\r\n",
    );
    await client.expect("250 mail.test");
    await client.expect("250 2.0.0 OK");
    await client.expect("250-2.1.5 one\r\n250 2.1.5 two");
    await client.expect("550 5.1.1 no such");
    await client.expect("221 bye");
    await client.expectEnd();
  });
  assert.deepEqual(heard, [
    "mail  from:<a@example.test>   SIZE=10",
    "Rcpt to: <b@example.test>",
    "RCPT TO:<c@example.test>",
  ]);
});

Deno.test("a relay in which nobody speaks is cut after proxy_timeout, one in which somebody does is not", async () => {
  const ended = Promise.withResolvers<string>();
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    // Longer in all than proxy_timeout: what the mail server says counts as activity, too.
    for (let i = 0; i < 6; i++) {
      await peer.reply(`250-${i}`);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    await peer.reply("250 last");
    ended.resolve((await peer.readToEnd()).text);
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [{ ...XCLIENT_OFF, proxy_timeout: "1s" }],
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret");
    await client.expect(/^250-0[^]*250-5\r\n250 last$/);
    const { text } = await client.readToEnd();
    assert.equal(text, "");
    assert.equal(await ended.promise, "");
    assert.equal((await postern.event("session_closed"))["outcome"], "relay_timeout");
  });
});

Deno.test("a client that does not read stops the mail server from sending, and loses nothing", async () => {
  const octets = 24 * 1024 * 1024;
  const content = messageContent(octets);
  let blocked = true;
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    await peer.send(content);
    blocked = false;
    await peer.closeWrite();
    await peer.readToEnd();
  });
  await withEdge(
    { callout: () => accepted(upstream.port), servers: () => [XCLIENT_OFF] },
    async ({ connect, postern }) => {
      await using client = await connect();
      await client.authPlain("alice", "secret");
      const memory = await residentOctets(postern.pid);
      // Another session is served from start to end meanwhile: time enough to buffer, if somebody did.
      await using other = await connect();
      await other.command("NOOP", /^250 /);
      await other.quit();
      assert.equal(blocked, true);
      assert.ok(await residentOctets(postern.pid) - memory < octets / 2);
      let received = 0;
      for (let chunk = await client.stream.read(); chunk !== null; chunk = await client.stream.read()) {
        assert.deepEqual(chunk, content.subarray(received, received + chunk.length));
        received += chunk.length;
      }
      assert.equal(received, octets);
    },
  );
});

async function residentOctets(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
