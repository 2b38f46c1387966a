import assert from "node:assert/strict";
import { DialogueClient } from "../support/dialogue_client.ts";
import { withEdge, withPostern } from "../support/edge.ts";
import type { PosternProcess } from "../support/postern_process.ts";
import { accepted } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

Deno.test("a Ctrl-C that reaches the process twice leaves relays their grace", async () => {
  await using sink = new SmtpSink();
  await withEdge({ callout: () => accepted(sink.port), mail: () => ({ xclient: "off" }) }, async (edge) => {
    const { postern, connect } = edge;
    await using client = await connect();
    await client.authPlain("alice", "secret");
    await client.beginMessage();
    postern.signal("SIGINT");
    postern.signal("SIGINT");
    await postern.event("stopping");
    await client.finishMessage("Subject: late\r\n\r\nx\r\n");
    await client.quit();
    await postern.event("stopped");
  });
  assert.equal(sink.messages.length, 1);
});

/** Deno hears SIGUSR1 for its debugger from half a second after its start: the signal is sent until it does. */
async function untilDebuggerShut(postern: PosternProcess): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    postern.signal("SIGUSR1");
    if (await postern.event("debugger_shut", () => true, 500).catch(() => null) !== null) return;
  }
  assert.fail("Deno opens no debugger on SIGUSR1 any more, or its port is taken");
}

Deno.test("the debugger that Deno opens on SIGUSR1 is shut at once, and Postern serves on", async () => {
  await withTempDir(async (directory) => {
    const mail = { server_name: "mail.test", auth_http: "127.0.0.1:1", servers: [{ listen: "127.0.0.1:0" }] };
    await withPostern({ mail }, directory, async (postern) => {
      await untilDebuggerShut(postern);
      await assert.rejects(Deno.connect({ port: 9229 }), Deno.errors.ConnectionRefused);
      await using client = await DialogueClient.connect({ port: postern.port() });
      await client.expect("220 mail.test ESMTP ready");
      await client.quit();
    });
  });
});

Deno.test("a drain lets a client finish that is at work, and sends it away when it is silent", async () => {
  await using sink = new SmtpSink();
  const mail = () => ({ xclient: "off", smtp_greeting_delay: "500ms" });
  await withEdge({ callout: () => accepted(sink.port), mail }, async ({ postern, connect }) => {
    await using idle = await connect();
    await using working = await connect();
    await working.authPlain("alice", "secret");
    await working.beginMessage();
    await using delayed = await connect(0, { greeting: false });
    postern.signal("SIGTERM");
    await postern.event("stopping");
    await working.finishMessage("Subject: late\r\n\r\nx\r\n");
    await delayed.expect("220 mail.test ESMTP ready");
    await idle.expect(/^421 4\.3\.2 mail\.test /);
    await idle.expectEnd();
    await delayed.expect(/^421 4\.3\.2 mail\.test /);
    await postern.event("stopped");
  });
  assert.equal(sink.messages.length, 1);
});

Deno.test("worker_shutdown_timeout bounds what SIGQUIT waits for", async () => {
  await using sink = new SmtpSink();
  const mail = () => ({ xclient: "off", smtp_guard: "off", worker_shutdown_timeout: "200ms" });
  await withEdge({ callout: () => accepted(sink.port), mail }, async ({ postern, connect }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret");
    postern.signal("SIGQUIT");
    await client.expectEnd();
    await postern.event("stopped");
  });
});

Deno.test("a drain sends a client away that is idle in the relay, and one with a message in flight after it", async () => {
  await using sink = new SmtpSink();
  await withEdge({ callout: () => accepted(sink.port), mail: () => ({ xclient: "off" }) }, async (edge) => {
    const { postern, connect } = edge;
    await using idle = await connect();
    await using sending = await connect();
    for (const client of [idle, sending]) await client.authPlain("alice", "secret");
    await sending.beginMessage();
    await sending.command("RCPT TO:<bob@example.test>", /^250[ -]/);
    await sending.command("DATA", /^354 /);
    postern.signal("SIGQUIT");
    await idle.expect(/^421 4\.3\.2 mail\.test /);
    await idle.expectEnd();
    // The other one was as silent as this one.
    await sending.send("Subject: late\r\n\r\nx\r\n");
    await sending.command(".", /^250[ -]/);
    await sending.expect(/^421 4\.3\.2 mail\.test /);
    await sending.expectEnd();
    await postern.event("stopped");
  });
  assert.equal(sink.messages.length, 1);
});
