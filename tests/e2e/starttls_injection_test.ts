import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { accepted } from "../support/scripted_callout.ts";
import { ScriptedUpstream } from "../support/scripted_upstream.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { testCertificates } from "../support/certificates.ts";

const INTERNAL_ERROR = "451 4.3.2 Internal server error";

Deno.test("commands in clear behind STARTTLS are not executed inside TLS", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    servers: (files) => [{ ...files.server(), starttls: "on", smtp_auth: ["none"], xclient: "off" }],
  }, async ({ connect, files, callout }) => {
    await using client = await connect();
    await client.command("EHLO client.example", /STARTTLS/);
    await client.send("STARTTLS\r\nMAIL FROM:<evil@example.test>\r\nRCPT TO:<victim@example.test>\r\n");
    await client.expect("220 2.0.0 Start TLS");
    await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
    await client.command("NOOP", "250 2.0.0 OK");
    // The injected MAIL left nothing behind: RCPT has no transaction to belong to.
    await client.command("RCPT TO:<bob@example.test>", "503 5.5.1 Bad sequence of commands");
    await client.quit();
    assert.equal(callout.requests.length, 0);
  });
});

Deno.test("what was said before STARTTLS is forgotten: EHLO name, MAIL and AUTH in progress", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    servers: (files) => [{ ...files.server(), starttls: "on", smtp_auth: ["none"], xclient: "off" }],
  }, async ({ connect, files, callout }) => {
    await using client = await connect();
    await client.command("EHLO before.example", /STARTTLS/);
    await client.command("MAIL FROM:<before@example.test>", /^250 /);
    await client.command("STARTTLS", /^220 /);
    await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
    await client.command("RCPT TO:<bob@example.test>", /^503 /);
    await client.command("MAIL FROM:<after@example.test>", /^250 /);
    await client.command("RCPT TO:<bob@example.test>", /^250 /);
    await client.quit();
    const [request] = callout.requests;
    assert.equal(request?.header("Auth-SMTP-Helo"), "");
    assert.equal(request?.header("Auth-SMTP-From"), "MAIL FROM:<after@example.test>");
    assert.equal(request?.header("Auth-SSL"), "on");
  });
});

Deno.test("replies in clear behind the mail server's 220 end the session before TLS", async () => {
  for (const injected of ["250 injected", "250-x\r\n250 AUTH PLAIN", "\x16\x03\x01"]) {
    await using upstream = new ScriptedUpstream(async (peer) => {
      await peer.reply("220 mx.test ESMTP");
      await peer.answer(/^EHLO /, "250-mx.test", "250 STARTTLS");
      await peer.expect("STARTTLS");
      await peer.send(`220 2.0.0 Go\r\n${injected}\r\n`);
      // No ClientHello may follow: whatever the injected text says, it was not said in TLS.
      const { text } = await peer.readToEnd();
      assert.equal(text, "");
    });
    await withEdge({
      callout: () => accepted(upstream.port),
      servers: (files) => [{
        xclient: "off",
        proxy_ssl: "starttls",
        proxy_ssl_name: "mx.test",
        proxy_ssl_trusted_certificate: files.root,
      }],
    }, async ({ connect, postern }) => {
      await using client = await connect();
      await client.authPlain("alice", "secret", INTERNAL_ERROR);
      await client.expectEnd();
      const line = await postern.event("upstream_failed");
      assert.equal(line["code"], "plaintext_after_starttls");
    });
  }
});

Deno.test("a mail server that does not offer STARTTLS, or has the wrong certificate, gets no credentials", async () => {
  const { server, otherServer, expiredServer } = await testCertificates();
  const cases = [
    { name: "not offered", certificate: null, code: "starttls_not_offered" },
    { name: "another name", certificate: otherServer, code: "certificate" },
    { name: "expired", certificate: expiredServer, code: "certificate" },
    { name: "good", certificate: server, code: null },
  ];
  for (const { name, certificate, code } of cases) {
    const sink = new SmtpSink({
      capabilities: ["AUTH PLAIN"],
      ...(certificate === null ? {} : { tls: certificate }),
    });
    await withEdge({
      callout: () => accepted(sink.port),
      servers: (files) => [{
        xclient: "off",
        proxy_smtp_auth: "on",
        proxy_ssl: "starttls",
        proxy_ssl_name: "mx.test",
        proxy_ssl_trusted_certificate: files.root,
      }],
    }, async ({ connect, postern }) => {
      await using client = await connect();
      await client.authPlain("alice", "secret", code === null ? /^235 / : INTERNAL_ERROR);
      if (code !== null) {
        assert.equal((await postern.event("upstream_failed"))["code"], code, name);
        await client.expectEnd();
      }
      const said = sink.sessions.flatMap((session) => session.commands);
      assert.equal(said.some((line) => line.startsWith("AUTH")), code === null, name);
    });
    await sink.close().catch((error) => {
      // The sink's side of a handshake that the proxy breaks off is an error of that connection only.
      if (code !== "certificate") throw error;
    });
  }
});
