import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { withEdge } from "../support/edge.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import {
  accepted,
  type CalloutRequest,
  httpAnswer,
  refused,
  ScriptedCallout,
} from "../support/scripted_callout.ts";
import { ScriptedUpstream } from "../support/scripted_upstream.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** Echoes what the callout was asked, so that the client can be told. */
function echo(request: CalloutRequest): string {
  const seen = ["Auth-Method", "Auth-User", "Auth-Pass", "Auth-Login-Attempt"].map((name) =>
    request.header(name)
  );
  return refused(seen.join("|"), "Auth-Wait: 1");
}

Deno.test("every mechanism brings login and secret to the callout, with and without initial response", async () => {
  await withEdge({
    callout: echo,
    servers: () => [{ smtp_auth: ["plain", "login", "xoauth2", "oauthbearer"] }],
  }, async ({ connect }) => {
    const plain = btoa("admin\0ali ce\0p%w\r\n");
    const xoauth2 = btoa("user=alice\x01auth=Bearer to.ken\x01\x01");
    const bearer = btoa("n,a=alice,\x01host=mail.test\x01auth=Bearer to.ken\x01\x01");
    const cases: readonly (readonly [readonly string[], string])[] = [
      [[`AUTH PLAIN ${plain}`], "plain|ali%20ce|p%25w%0D%0A"],
      [["auth plain", plain], "plain|ali%20ce|p%25w%0D%0A"],
      [["AUTH LOGIN", btoa("alice"), btoa("pw")], "plain|alice|pw"],
      [[`AUTH LOGIN ${btoa("alice")}`, btoa("pw")], "plain|alice|pw"],
      [[`AUTH XOAUTH2 ${xoauth2}`], "xoauth2|alice|to.ken"],
      [["AUTH XOAUTH2", xoauth2], "xoauth2|alice|to.ken"],
      [[`AUTH OAUTHBEARER ${bearer}`], "oauthbearer|alice|to.ken"],
      [["AUTH OAUTHBEARER", bearer], "oauthbearer|alice|to.ken"],
    ];
    await Promise.all(cases.map(async ([lines, expected]) => {
      await using client = await connect();
      const last = lines.length - 1;
      for (const line of lines.slice(0, last)) await client.command(line, /^334 /);
      await client.command(lines[last]!, `535 5.7.0 ${expected}|1`);
      await client.command("NOOP", "250 2.0.0 OK");
    }));
    await using client = await connect();
    await client.command("AUTH CRAM-MD5", /^504 5\.5\.4 /);
    await client.command("AUTH EXTERNAL =", /^504 5\.5\.4 /);
    await client.command("AUTH PLAIN", "334 ");
    await client.command("*", /^50[01] /);
    await client.command("AUTH PLAIN !!!", /^50[01] /);
    await client.quit();
  });
});

Deno.test("CRAM-MD5 challenges are fresh, and the callout can check the answer", async () => {
  await using sink = new SmtpSink();
  const salts: string[] = [];
  await withEdge({
    callout: (request) => {
      const salt = request.header("Auth-Salt")!;
      salts.push(salt);
      const digest = createHmac("md5", "secret").update(salt).digest("hex");
      return request.header("Auth-Pass") === digest ? accepted(sink.port) : refused("no", "Auth-Wait: 1");
    },
    servers: () => [{ smtp_auth: "cram-md5", xclient: "off" }],
  }, async ({ connect }) => {
    await using client = await connect();
    await client.authCramMd5("alice", "wrong", /^535 /);
    await client.authCramMd5("alice", "secret");
    await client.quit();
    assert.match(salts[0]!, /^<\d+\.\d+@mail\.test>$/);
    assert.notEqual(salts[0], salts[1]);
  });
});

Deno.test("EXTERNAL signs in with the client's certificate", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: (request) =>
      request.header("Auth-Method") === "external" && request.header("Auth-User") === "alice" &&
        request.header("Auth-Pass") === "" && request.header("Auth-SSL-Verify") === "SUCCESS" &&
        request.header("Auth-SSL-Subject") === "CN=alice,O=Lab\\, Inc"
        ? accepted(sink.port)
        : refused("who?"),
    servers: (files) => [{
      ...files.server(),
      starttls: "only",
      smtp_auth: "external",
      ssl_verify_client: "on",
      ssl_client_certificate: files.root,
      xclient: "off",
    }],
  }, async ({ connect, files }) => {
    for (const lines of [[`AUTH EXTERNAL ${btoa("alice")}`], ["AUTH EXTERNAL", btoa("alice")]]) {
      await using client = await connect();
      await client.command("STARTTLS", /^220 /);
      await client.startTls({
        authorities: files.made.root.certificate,
        serverName: "mail.test",
        ...files.made.client,
      });
      await client.command("EHLO client.example", /AUTH EXTERNAL/);
      if (lines.length === 2) await client.command(lines[0]!, /^334 /);
      await client.command(lines.at(-1)!, "235 2.0.0 OK");
      await client.quit();
    }
  });
});

Deno.test("a refused bearer token brings the callout's challenge, then the failure", async () => {
  const challenge = btoa('{"status":"invalid_token"}');
  await withEdge({
    callout: () => refused("Token expired", "Auth-Error-Code: 535 5.7.8", `Auth-Error-SASL: ${challenge}`),
    servers: () => [{ smtp_auth: "oauthbearer" }],
  }, async ({ connect }) => {
    await using client = await connect();
    const response = btoa("n,a=alice,\x01auth=Bearer old\x01\x01");
    await client.command(`AUTH OAUTHBEARER ${response}`, `334 ${challenge}`);
    await client.command("AQ==", "535 5.7.8 Token expired");
    await client.expectEnd();
  });
});

Deno.test("WAIT asks again after its time, and Auth-Wait delays a refusal after which the session goes on", async () => {
  await using sink = new SmtpSink();
  let asked = 0;
  await withEdge({
    callout: (request) => {
      if (request.header("Auth-User") === "bad") {
        return refused("later", "Auth-Wait: 1", "Auth-Error-Code: 454 4.7.0");
      }
      return ++asked === 1 ? httpAnswer("Auth-Status: WAIT", "Auth-Wait: 1") : accepted(sink.port);
    },
    servers: () => [{ xclient: "off" }],
  }, async ({ connect, callout }) => {
    await using client = await connect();
    const began = Date.now();
    await client.authPlain("bad", "x", "454 4.7.0 later");
    assert.ok(Date.now() - began >= 1_000);
    await client.authPlain("good", "x", "235 2.0.0 OK");
    assert.ok(Date.now() - began >= 2_000);
    await client.quit();
    assert.deepEqual(callout.requests.map((request) => request.header("Auth-Login-Attempt")), [
      "1",
      "2",
      "2",
    ]);
    assert.equal(callout.requests[1]!.raw, callout.requests[2]!.raw);
  });
});

Deno.test("starttls only: nothing that matters may happen before TLS", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    servers: (files) => [{ ...files.server(), starttls: "only", smtp_auth: ["plain", "none"] }],
  }, async ({ connect, files }) => {
    await using client = await connect();
    await client.command("EHLO client.example", "250-mail.test\r\n250 STARTTLS");
    await client.command("MAIL FROM:<a@example.test>", /^530 5\.7\.0 /);
    await client.command("RCPT TO:<a@example.test>", /^530 5\.7\.0 /);
    await client.command(`AUTH PLAIN ${btoa("\0a\0b")}`, /^530 5\.7\.0 /);
    await client.command("STARTTLS", "220 2.0.0 Start TLS");
    await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
    await client.command("EHLO client.example", "250-mail.test\r\n250 AUTH PLAIN");
    await client.quit();
  });
});

Deno.test("a login goes through Unix sockets only: client, auth service and mail server", async () => {
  await withTempDir(async (directory) => {
    await using upstream = new ScriptedUpstream(async (peer) => {
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "250 mx.test");
      await peer.answer("QUIT", "221 bye");
    }, { path: `${directory}/mx.sock` });
    await using callout = new ScriptedCallout(
      () => httpAnswer("Auth-Status: OK", `Auth-Server: unix:${directory}/mx.sock`),
      { path: `${directory}/auth.sock` },
    );
    await withEdge({
      callout: () => refused("not reached"),
      mail: () => ({ auth_http: callout.url() }),
      servers: () => [{ listen: `unix:${directory}/smtp.sock`, xclient: "off" }],
    }, async () => {
      await using client = await DialogueClient.connect({ path: `${directory}/smtp.sock` });
      await client.expect(/^220 /);
      await client.authPlain("alice", "secret");
      await client.quit();
      assert.equal(callout.requests[0]!.header("Client-IP"), "unix:");
      assert.equal(upstream.dialogues.length, 1);
    });
  });
});
