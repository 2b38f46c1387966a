import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import nodemailer from "nodemailer";
import { withEdge } from "../support/edge.ts";
import { accepted, type CalloutRequest, httpAnswer, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const MESSAGE = {
  from: "alice@example.test",
  to: ["bob@example.test", "carol@example.test"],
  subject: "Grüße",
};

interface Case {
  readonly name: string;
  /** Options of nodemailer's transport besides host and port. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly method: string;
  readonly secret: string;
}

const LOGIN = { user: "alice", pass: "se cret" };
const CASES: readonly Case[] = [
  {
    name: "STARTTLS and PLAIN",
    options: { requireTLS: true, auth: LOGIN, authMethod: "PLAIN" },
    method: "plain",
    secret: "se%20cret",
  },
  {
    name: "STARTTLS and LOGIN",
    options: { requireTLS: true, auth: LOGIN, authMethod: "LOGIN" },
    method: "plain",
    secret: "se%20cret",
  },
  {
    name: "STARTTLS and XOAUTH2",
    options: { requireTLS: true, auth: { type: "OAuth2", user: "alice", accessToken: "to.ken" } },
    method: "xoauth2",
    secret: "to.ken",
  },
];

for (const { name, options, method, secret } of CASES) {
  Deno.test({
    name: `nodemailer sends with ${name}`,
    // nodemailer's sockets end after its own promise: their operations are not the test's.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await using sink = new SmtpSink({ capabilities: ["PIPELINING", "8BITMIME"] });
      await withEdge({
        callout: () => accepted(sink.port),
        servers: (files) => [{
          ...files.server(),
          starttls: "only",
          xclient: "off",
          smtp_auth: ["plain", "login", "xoauth2"],
          smtp_capabilities: ["PIPELINING", "8BITMIME"],
        }],
      }, async ({ postern, callout, files }) => {
        const target = { host: "127.0.0.1", port: postern.port() };
        const tls = { ca: files.made.root.certificate, servername: "mail.test" };
        const transport = nodemailer.createTransport({ ...target, tls, ...options });
        const attachment = Buffer.from(new Uint8Array(300_000).map((_, i) => i * 7));
        const info = await transport.sendMail({
          ...MESSAGE,
          text: "Hello\n.\n..dots\n",
          attachments: [{ filename: "a.bin", content: attachment }],
        });
        transport.close();
        assert.deepEqual(info.accepted, MESSAGE.to);
        const [request] = callout.requests;
        assert.equal(request?.header("Auth-Method"), method);
        assert.equal(request?.header("Auth-User"), "alice");
        assert.equal(request?.header("Auth-Pass"), secret);
        assert.equal(sink.messages[0]?.recipients.length, 2);
        assert.ok(sink.messages[0]!.octets > attachment.length);
      });
    },
  });
}

Deno.test({
  name: "nodemailer hears why a token was refused, and a pooled connection sends many messages",
  sanitizeOps: false, // as above
  sanitizeResources: false,
  async fn() {
    await using sink = new SmtpSink();
    const challenge = btoa('{"status":"401"}');
    const decide = (request: CalloutRequest) =>
      request.header("Auth-Method") === "plain"
        ? accepted(sink.port)
        : refused("Expired", `Auth-Error-SASL: ${challenge}`, "Auth-Wait: 1");
    await withEdge({
      callout: decide,
      servers: () => [{ xclient: "off", smtp_auth: ["plain", "xoauth2"] }],
    }, async ({ postern }) => {
      const target = { host: "127.0.0.1", port: postern.port(), ignoreTLS: true };
      const stale = nodemailer.createTransport({
        ...target,
        auth: { type: "OAuth2", user: "alice", accessToken: "old" },
      });
      await assert.rejects(stale.sendMail({ ...MESSAGE, text: "x" }), /535|Expired|renew/);
      stale.close();
      const pooled = nodemailer.createTransport({ ...target, pool: true, maxConnections: 2, auth: LOGIN });
      const digests = Array.from(
        { length: 20 },
        (_, i) => createHash("sha256").update(String(i)).digest("hex"),
      );
      await Promise.all(digests.map((text) => pooled.sendMail({ ...MESSAGE, text })));
      pooled.close();
      assert.equal(sink.messages.length, 20);
      assert.ok(sink.sessions.length <= 2);
    });
  },
});

Deno.test("an answer without Auth-Status is no success for any client", async () => {
  await withEdge(
    { callout: () => httpAnswer("Auth-Server: 127.0.0.1", "Auth-Port: 25") },
    async ({ connect }) => {
      await using client = await connect();
      await client.authPlain("alice", "secret", "451 4.3.2 Internal server error");
      await client.expectEnd();
    },
  );
});
