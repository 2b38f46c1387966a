import assert from "node:assert/strict";
import { type Directives, type Edge, withEdge } from "../support/edge.ts";
import type { DialogueClient } from "../support/dialogue_client.ts";
import { messageContent } from "../support/message.ts";
import { accepted } from "../support/scripted_callout.ts";
import { digestOf, SmtpSink } from "../support/smtp_sink.ts";
import { testCertificates } from "../support/certificates.ts";

const MEGABYTE = 1024 * 1024;

/** Plain on both sides, and STARTTLS on both sides. */
const LEGS: readonly { readonly name: string; readonly secure: boolean }[] = [
  { name: "plain", secure: false },
  { name: "over STARTTLS on both sides", secure: true },
];

async function startSink(secure: boolean): Promise<SmtpSink> {
  return new SmtpSink(secure ? { tls: (await testCertificates()).server } : {});
}

async function withLeg(
  sink: SmtpSink,
  secure: boolean,
  body: (edge: Edge, connect: () => Promise<DialogueClient>) => Promise<void>,
): Promise<void> {
  await withEdge({
    callout: () => accepted(sink.port),
    servers: (files) => {
      const tls: Directives = {
        ...files.server(),
        starttls: "only",
        proxy_ssl: "starttls",
        proxy_ssl_trusted_certificate: files.root,
        proxy_ssl_name: "mx.test",
      };
      return [{ xclient: "off", ...(secure ? tls : {}) }];
    },
  }, (edge) =>
    body(edge, async () => {
      const client = await edge.connect();
      await client.command("EHLO client.example", /^250[ -]/);
      if (secure) {
        await client.command("STARTTLS", /^220 /);
        await client.startTls({ authorities: edge.files.made.root.certificate, serverName: "mail.test" });
        await client.command("EHLO client.example", /^250[ -]/);
      }
      return client;
    }));
}

for (const { name, secure } of LEGS) {
  Deno.test(`a message of 50 MB arrives octet for octet, ${name}`, async () => {
    await using sink = await startSink(secure);
    await withLeg(sink, secure, async (_edge, connect) => {
      const content = messageContent(50 * MEGABYTE);
      await using client = await connect();
      await client.authPlain("alice", "secret");
      await client.sendMessage(content);
      await client.quit();
      const [message] = sink.messages;
      assert.deepEqual([message?.octets, message?.digest], [content.length, digestOf(content)]);
    });
  });

  Deno.test(`messages of 200 concurrent sessions arrive octet for octet, ${name}`, async () => {
    await using sink = await startSink(secure);
    await withLeg(sink, secure, async ({ postern }, connect) => {
      const contents = Array.from({ length: 200 }, (_, i) => messageContent(2_000 + i * 101));
      const signedIn = Promise.withResolvers<void>();
      let waiting = contents.length;
      await Promise.all(contents.map(async (content, i) => {
        await using client = await connect();
        await client.authPlain(`user${i}`, "secret");
        // All sessions are open before the first message is sent.
        if (--waiting === 0) signedIn.resolve();
        await signedIn.promise;
        await client.sendMessage(content, `<user${i}@example.test>`);
        await client.quit();
      }));
      assert.equal(sink.peak(), 200);
      const byRecipient = new Map(sink.messages.map((message) => [message.recipients[0], message.digest]));
      for (const [i, content] of contents.entries()) {
        assert.equal(byRecipient.get(`RCPT TO:<user${i}@example.test>`), digestOf(content), `user${i}`);
      }
      assert.equal(postern.ended, false);
    });
  });
}
