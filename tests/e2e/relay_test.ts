import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { testCertificates } from "../support/certificates.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { type CertificateFiles, type Directives, type Edge, withEdge } from "../support/edge.ts";
import { messageContent } from "../support/message.ts";
import { ConnStream } from "../support/peer_stream.ts";
import { residentKiB } from "../support/process_facts.ts";
import { accepted } from "../support/scripted_callout.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";
import { decodeLatin1 } from "../../src/bytes/latin1.ts";

/** Octets that are no dialogue: these tests are about moving them. */
const XCLIENT_OFF: Directives = { xclient: "off", smtp_guard: "off" };

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
  }, async ({ connect, files }) => {
    for (const index of [0, 1]) {
      await using client = await connect(index, { greeting: false });
      if (index === 1) {
        await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      }
      await client.expect("220 mail.test ESMTP ready");
      await client.authPlain("alice", "secret");
      await client.send("NOOP\r\nQUIT\r\n");
      await client.closeWrite();
      gone.resolve();
      await client.expect("250 2.0.0 late");
      await client.expect("221 2.0.0 Bye");
      await client.expectEnd();
    }
  });
});

Deno.test("a mail server that ends the session is heard to its last word, whatever the client still sends", async () => {
  await using upstream = new ScriptedUpstream(async (peer) => {
    await enter(peer);
    await peer.readUntil("DATA\r\n");
    await peer.send("x".repeat(200_000) + "\r\n421 4.3.2 going\r\n");
    await peer.closeWrite();
    await peer.readToEnd(); // closed with octets unread, the connection would be reset
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [XCLIENT_OFF],
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret");
    const sent = client.send("DATA\r\n" + decodeLatin1(messageContent(500_000))).catch(() => {});
    const { text, ending } = await client.readToEnd();
    await sent;
    assert.equal(ending, "end");
    assert.equal(text.length, 200_000 + "\r\n421 4.3.2 going\r\n".length);
    assert.equal((await postern.event("session_closed"))["outcome"], "relayed");
  });
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
    servers: () => [{ ...XCLIENT_OFF, smtp_auth: "none", smtp_reject_unauth_pipelining: "off" }],
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

for (const secure of [false, true]) {
  const legs = secure ? "over TLS on both sides" : "in plain";

  Deno.test(`a client that does not read stops the mail server from sending, and loses nothing, ${legs}`, async () => {
    const { server } = await testCertificates();
    const octets = 64 * 1024 * 1024;
    const content = messageContent(octets);
    let blocked = true;
    await using upstream = new ScriptedUpstream(async (peer) => {
      await enter(peer);
      await peer.send(content);
      blocked = false;
      await peer.closeWrite();
      await peer.readToEnd();
    }, secure ? { tls: server } : {});
    await withEdge({
      callout: () => accepted(upstream.port),
      servers: (files) => [legDirectives(files, secure)],
    }, async (edge) => {
      await using client = await signedIn(edge, secure);
      await letOthersWork(edge, secure); // what sessions need once is not counted
      const memory = residentKiB(edge.postern.pid) * 1024;
      await letOthersWork(edge, secure);
      assert.equal(blocked, true);
      const held = residentKiB(edge.postern.pid) * 1024 - memory;
      assert.ok(held < octets / 2, `the proxy holds ${held} octets`);
      // The first of it may have come together with the reply to AUTH.
      let received = (await client.readOctets(client.unread.length)).length;
      for (let chunk = await client.stream.read(); chunk !== null; chunk = await client.stream.read()) {
        assert.equal(Buffer.compare(chunk, content.subarray(received, received + chunk.length)), 0);
        received += chunk.length;
      }
      assert.equal(received, octets);
    });
  });

  Deno.test(`a mail server that does not read stops the client from sending, and loses nothing, ${legs}`, async () => {
    const { server } = await testCertificates();
    const octets = 64 * 1024 * 1024;
    const content = messageContent(octets);
    const mayRead = Promise.withResolvers<void>();
    let received = 0;
    await using upstream = new ScriptedUpstream(async (peer) => {
      await enter(peer);
      await mayRead.promise;
      received = (await peer.readOctets(peer.unread.length)).length;
      for (let chunk = await peer.stream.read(); chunk !== null; chunk = await peer.stream.read()) {
        assert.equal(Buffer.compare(chunk, content.subarray(received, received + chunk.length)), 0);
        received += chunk.length;
      }
      await peer.reply("250 all of it");
    }, secure ? { tls: server } : {});
    await withEdge({
      callout: () => accepted(upstream.port),
      servers: (files) => [legDirectives(files, secure)],
    }, async (edge) => {
      await using client = await signedIn(edge, secure);
      await letOthersWork(edge, secure); // what sessions need once is not counted
      const memory = residentKiB(edge.postern.pid) * 1024;
      let sent = false;
      const sending = client.send(content).then(() => {
        sent = true;
        return client.closeWrite();
      });
      sending.catch(() => {}); // awaited below, unless the test fails before
      await letOthersWork(edge, secure);
      assert.equal(sent, false);
      const held = residentKiB(edge.postern.pid) * 1024 - memory;
      assert.ok(held < octets / 2, `the proxy holds ${held} octets`);
      mayRead.resolve();
      await sending;
      await client.expect("250 all of it");
      await client.expectEnd();
      assert.equal(received, octets);
    });
  });
}

for (const secure of [false, true]) {
  Deno.test(`a client that says more after QUIT gets all that it has not read yet (${secure ? "TLS" : "plain"})`, async () => {
    const replies = Array<string>(300).fill(`250 2.0.0 ${"x".repeat(480)}\r\n`);
    const answered = Promise.withResolvers<void>();
    const heardQuit = Promise.withResolvers<void>();
    const mayAnswer = Promise.withResolvers<void>();
    await using upstream = new ScriptedUpstream(async (peer) => {
      await enter(peer);
      for (const reply of replies) {
        await peer.readUntil("NOOP\r\n");
        await peer.send(reply);
      }
      answered.resolve();
      await peer.readUntil("QUIT\r\n");
      heardQuit.resolve();
      await mayAnswer.promise;
      await peer.reply("221 2.0.0 Bye");
      await peer.closeWrite();
    });
    await withEdge({
      callout: () => accepted(upstream.port),
      servers: (files) => [{ xclient: "off", ...(secure && { ...files.server(), ssl: "on" }) }],
    }, async (edge) => {
      await using client = await signedIn(edge, secure);
      for (const _ of replies) await client.send("NOOP\r\n");
      await answered.promise;
      await letOthersWork(edge, secure);
      await client.send("QUIT\r\n");
      await heardQuit.promise;
      // With the octets of this unread, a connection that is closed is reset, and what the kernel still has to send is lost.
      await client.send("\r\n");
      mayAnswer.resolve();
      await letOthersWork(edge, secure);
      const { text, ending } = await client.readToEnd();
      assert.deepEqual([text.length, ending], [replies.join("").length + "221 2.0.0 Bye\r\n".length, "end"]);
    });
  });
}

function legDirectives(files: CertificateFiles, secure: boolean): Directives {
  if (!secure) return XCLIENT_OFF;
  return {
    ...XCLIENT_OFF,
    ...files.server(),
    ssl: "on",
    proxy_ssl: "on",
    proxy_ssl_name: "mx.test",
    proxy_ssl_trusted_certificate: files.root,
  };
}

/** A client that is signed in. Its TLS is Deno's own, which has back-pressure. */
async function signedIn({ connect, postern, files }: Edge, secure: boolean): Promise<DialogueClient> {
  const address = { hostname: "127.0.0.1", port: postern.port() };
  const client = secure
    ? new DialogueClient(
      new ConnStream(await Deno.connectTls({ ...address, caCerts: [files.made.root.certificate] })),
    )
    : await connect(0, { greeting: false });
  await client.expect("220 mail.test ESMTP ready");
  await client.authPlain("alice", "secret");
  return client;
}

/** Serves other sessions meanwhile: time enough to buffer, if somebody did. */
async function letOthersWork({ connect, files }: Edge, secure: boolean): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await using other = await connect(0, { greeting: false });
    if (secure) await other.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
    await other.expect(/^220 /);
    await other.command("NOOP", /^250 /);
    await other.quit();
  }
}

Deno.test("a connection that is reset on one side ends the other, at every stage of a message", async () => {
  const stages = ["MAIL FROM:<a@b.test>\r\n", "DATA\r\n", "DATA\r\n" + "x".repeat(300_000)];
  const upstreamEnds: Promise<unknown>[] = [];
  await using upstream = new ScriptedUpstream(async (peer, index) => {
    await enter(peer);
    const stage = stages[index >> 1]!;
    await peer.readOctets(stage.length);
    await peer.reply("250 so far");
    // Every second time the mail server is the one that goes.
    if (index % 2 === 0) upstreamEnds.push(peer.readToEnd());
    else return;
    await upstreamEnds.at(-1);
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [XCLIENT_OFF],
  }, async ({ connect, postern }) => {
    for (const stage of stages) {
      for (const whoGoes of ["client", "upstream"]) {
        const client = await connect();
        await client.authPlain("alice", "secret");
        await client.send(stage);
        // A socket that is closed while octets wait in it is reset: the reply is not read.
        if (whoGoes === "upstream") {
          await client.expect("250 so far");
          await client.readToEnd();
        }
        await client.close();
      }
    }
    for (let conn = 1; conn <= 6; conn++) {
      const line = await postern.event("session_closed", (candidate) => candidate["conn"] === conn);
      // A reset that comes behind an end of the stream is not seen.
      assert.match(String(line["outcome"]), /^relay(ed|_lost)$/);
    }
  });
});
