import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { testCertificates } from "./certificates.ts";
import { DialogueClient } from "./dialogue_client.ts";
import { inMemoryPair } from "./in_memory_transport.ts";
import { accepted, httpAnswer, never, ScriptedCallout } from "./scripted_callout.ts";
import { ScriptedUpstream } from "./scripted_upstream.ts";
import { digestOf, SmtpSink } from "./smtp_sink.ts";
import { withTempDir } from "./temp_dir.ts";

Deno.test("a client and a scripted upstream talk, in plain and after STARTTLS", async () => {
  const { server, root, client: certificate } = await testCertificates();
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 script");
    await peer.answer("EHLO c", "250-script", "250 STARTTLS");
    await peer.answer("STARTTLS", "220 go");
    const stream = await peer.acceptTls({
      ...server,
      authorities: root.certificate,
      requestCertificate: true,
    });
    assert.match(String(stream.socket.getPeerCertificate()?.subject?.CN), /alice/);
    await peer.answer(/^NOOP/, "250 fine");
    await peer.readToEnd();
  });
  await using client = await DialogueClient.connect({ port: upstream.port });
  await client.expect(/^220 /);
  await client.command("EHLO c", "250-script\r\n250 STARTTLS");
  await client.command("STARTTLS", /^220 /);
  await client.startTls({ authorities: root.certificate, serverName: "mail.test", ...certificate });
  await client.command("NOOP", "250 fine");
});

Deno.test("a client does not trust the certificate of another name or authority", async () => {
  const { server, root, stranger } = await testCertificates();
  await using upstream = new ScriptedUpstream((peer) =>
    assert.rejects(async () => {
      await peer.acceptTls(server);
      await peer.readLine();
    })
  );
  for (
    const options of [{ authorities: root.certificate, serverName: "other.test" }, {
      authorities: stranger.certificate,
      serverName: "mail.test",
    }]
  ) {
    const client = await DialogueClient.connect({ port: upstream.port });
    await assert.rejects(client.startTls(options));
    await client.close();
  }
});

Deno.test("a script that is not followed fails the test when the upstream is closed", async () => {
  const upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 script");
    await peer.expect("EHLO a");
  });
  const client = await DialogueClient.connect({ port: upstream.port });
  await client.expect(/^220/);
  await client.send("EHLO b\r\n");
  await client.expectEnd();
  await client.close();
  await assert.rejects(upstream.close(), /unexpected command/);
});

Deno.test("the sink knows the digest of a message in any segmentation", async () => {
  await using sink = new SmtpSink();
  const content = "Subject: x\r\n\r\n..dot\r\n.\rx\r\nend\r\n";
  for (const body of ["", "\r\n", content, content.repeat(9000)]) {
    for (const step of body.length > 1000 ? [body.length + 5, 60_001] : [1, 2, 3, 5, 1000]) {
      const client = await DialogueClient.connect({ port: sink.port });
      await client.expect(/^220 /);
      await client.command("MAIL FROM:<a@x>", /^250 /);
      await client.command("RCPT TO:<b@x>", /^250 /);
      await client.command("DATA", /^354 /);
      const whole = encodeLatin1(body + ".\r\nQUIT\r\n");
      for (let at = 0; at < whole.length; at += step) await client.send(whole.subarray(at, at + step));
      await client.expect(/^250 .*sunk/);
      await client.expect(/^221 /);
      await client.expectEnd();
      await client.close();
      const message = sink.messages.at(-1)!;
      assert.deepEqual(
        [message.octets, message.digest, message.recipients],
        [body.length, digestOf(encodeLatin1(body)), ["RCPT TO:<b@x>"]],
      );
    }
  }
});

Deno.test("a callout keeps raw requests and answers raw, over TCP and a Unix socket", async () => {
  await withTempDir(async (directory) => {
    for (const address of [{}, { path: `${directory}/auth.sock` }]) {
      await using callout = new ScriptedCallout(
        (request) => request.header("x-slow") === "1" ? never(request) : accepted(25),
        address,
      );
      const target = "path" in address ? { path: address.path! } : { port: callout.port };
      await using client = await DialogueClient.connect(target);
      for (let round = 0; round < 2; round++) {
        await client.send("GET /auth HTTP/1.1\r\nX-A: b\r\n\r\n");
        const answer = await client.readUntil("\r\n\r\n");
        assert.equal(answer, httpAnswer("Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 25"));
      }
      assert.deepEqual(callout.requests.map((request) => request.connection), [0, 0]);
      assert.equal(callout.requests[0]!.header("X-a"), "b");
      await client.send("GET /auth HTTP/1.1\r\nX-Slow: 1\r\n\r\n");
    }
  });
});

Deno.test("an in-memory pair splits, holds, ends and cuts", async () => {
  const [near, far] = inMemoryPair({ segment: 2, capacity: 4 });
  const into = new Uint8Array(10);
  await near.write(encodeLatin1("abcde"));
  const waiting = near.write(encodeLatin1("f"));
  let text = "";
  for (let i = 0; i < 3; i++) text += decodeLatin1(into, 0, (await far.read(into))!);
  await waiting;
  assert.equal(text, "abcde");
  far.hold(true);
  await far.write(encodeLatin1("x"));
  const read = near.read(into);
  far.hold(false);
  assert.equal(await read, 1);
  await near.closeWrite();
  assert.equal(await far.read(into), 1);
  assert.equal(await far.read(into), null);
  const lost = near.read(into);
  far.cut();
  await assert.rejects(lost, { code: "reset" });
});
