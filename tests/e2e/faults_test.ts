import assert from "node:assert/strict";
import { testCertificates } from "../support/certificates.ts";
import { type Directives, withEdge } from "../support/edge.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import {
  accepted,
  type CalloutAnswer,
  type CalloutRequest,
  httpAnswer,
  never,
  refused,
  ScriptedCallout,
} from "../support/scripted_callout.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";

const INTERNAL_ERROR = "451 4.3.2 Internal server error";

interface CalloutCase {
  readonly name: string;
  readonly answer: (request: CalloutRequest) => CalloutAnswer | Promise<CalloutAnswer>;
  /** `code` of the log event `auth_unavailable`. */
  readonly code: string;
}

const CALLOUTS: readonly CalloutCase[] = [
  { name: "does not answer in time", answer: never, code: "timeout" },
  { name: "closes without an answer", answer: () => ({ raw: "", close: true }), code: "closed" },
  {
    name: "closes in the middle",
    answer: () => ({ raw: "HTTP/1.1 200 OK\r\nAuth-St", close: true }),
    code: "closed",
  },
  {
    name: "does not speak HTTP",
    answer: () => ({ raw: "220 mx ESMTP\r\n", close: true }),
    code: "invalid_response",
  },
  {
    name: "sends a header that is none",
    answer: () => ({ raw: "HTTP/1.1 200 OK\r\n: x\r\n\r\n", close: true }),
    code: "invalid_header",
  },
  {
    name: "sends headers without end",
    answer: () => ({ raw: `HTTP/1.1 200 OK\r\nX: ${"x".repeat(80_000)}\r\n\r\n`, close: true }),
    code: "too_large",
  },
  { name: "fails with 500", answer: () => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", code: "status" },
  {
    name: "redirects",
    answer: () => "HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: /\r\n\r\n",
    code: "status",
  },
  { name: "says nothing about the status", answer: () => httpAnswer(), code: "no_status" },
  {
    name: "names no server",
    answer: () => httpAnswer("Auth-Status: OK", "Auth-Port: 25"),
    code: "no_server",
  },
  {
    name: "names an impossible server",
    answer: () => httpAnswer("Auth-Status: OK", "Auth-Server: a b", "Auth-Port: 25"),
    code: "invalid_server",
  },
  {
    name: "names an impossible port",
    answer: () => httpAnswer("Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 0"),
    code: "invalid_port",
  },
  {
    name: "chooses what there is not",
    answer: () => accepted(25, "Auth-Upstream-TLS: perhaps"),
    code: "invalid_choice",
  },
  { name: "says WAIT without a time", answer: () => httpAnswer("Auth-Status: WAIT"), code: "wait" },
];

Deno.test("an auth service that fails gives the client a temporary failure, and the log says what came", async (t) => {
  await withEdge({
    callout: (request) =>
      CALLOUTS.find(({ code, name }) =>
        request.header("Auth-User") === `${code}/${name.replaceAll(" ", "-")}`
      )!
        .answer(request),
    mail: () => ({ auth_http_timeout: "1s" }),
  }, async ({ connect, postern }) => {
    for (const { name, code } of CALLOUTS) {
      await t.step(name, async () => {
        const user = `${code}/${name.replaceAll(" ", "-")}`;
        await using client = await connect();
        await client.authPlain(user, "very secret", INTERNAL_ERROR);
        await client.expectEnd();
        const line = await postern.event("auth_unavailable", (candidate) => candidate["login"] === user);
        assert.equal(line["code"], code, line.msg);
      });
    }
    assert.doesNotMatch(JSON.stringify(postern.log), /very secret|dmVyeSBzZWNyZXQ/);
  });
});

Deno.test("an auth service that is not there is a temporary failure", async () => {
  using nobody = await ReservedPort.take();
  await withEdge({
    callout: () => refused("nobody asks here"),
    mail: () => ({ auth_http: `http://127.0.0.1:${nobody.port}/` }),
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", INTERNAL_ERROR);
    await client.expectEnd();
    assert.equal((await postern.event("auth_unavailable"))["code"], "connect");
  });
});

interface UpstreamCase {
  readonly name: string;
  readonly script: (peer: UpstreamDialogue) => Promise<void>;
  /** `code` of the log event `upstream_failed`. */
  readonly code: string;
  readonly directives?: Directives;
  /** What the client hears instead of the usual 451. */
  readonly reply?: string;
}

const UPSTREAMS: readonly UpstreamCase[] = [
  { name: "says nothing", script: async (peer) => void await peer.readToEnd(), code: "timeout" },
  { name: "closes at once", script: () => Promise.resolve(), code: "closed" },
  { name: "closes in its greeting", script: (peer) => peer.send("220 mx"), code: "closed" },
  {
    name: "drips its greeting",
    script: async (peer) => {
      for (let i = 0; i < 100 && peer.ended === null; i++) {
        try {
          await peer.send(`220-${i}\r\n`);
        } catch {
          return; // the proxy lost its patience, as it should
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    code: "timeout",
  },
  {
    name: "does not speak SMTP",
    script: async (peer) => {
      await peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
      await peer.readToEnd();
    },
    code: "malformed",
  },
  {
    name: "does not stop greeting",
    script: async (peer) => {
      await peer.send("220-x\r\n".repeat(3000)).catch(() => {});
      await peer.readToEnd();
    },
    code: "too_long",
  },
  {
    name: "is busy",
    script: async (peer) => {
      await peer.reply("421 4.7.0 too busy");
      await peer.readToEnd();
    },
    code: "refused",
  },
  {
    name: "is busy, and its words are passed on",
    script: async (peer) => {
      await peer.reply("421-4.7.0 too busy", "421 4.7.0 come back later");
      await peer.readToEnd();
    },
    code: "refused",
    directives: { proxy_pass_error_message: "on" },
    reply: "421-4.7.0 too busy\r\n421 4.7.0 come back later",
  },
  {
    name: "refuses EHLO and HELO",
    script: async (peer) => {
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "500 what");
      await peer.answer("HELO mail.test", "500 what");
      await peer.readToEnd();
    },
    code: "refused",
  },
  {
    name: "offers no mechanism for its login",
    script: async (peer) => {
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "250-mx.test", "250 AUTH GSSAPI");
      await peer.readToEnd();
    },
    code: "auth_not_offered",
    directives: { proxy_smtp_auth: "on" },
  },
  {
    name: "refuses the login",
    script: async (peer) => {
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "250-mx.test", "250 AUTH PLAIN");
      await peer.answer(`AUTH PLAIN ${btoa("\0alice\0very secret")}`, "535 5.7.8 no");
      await peer.readToEnd();
    },
    code: "refused",
    directives: { proxy_smtp_auth: "on" },
  },
];

Deno.test("a mail server that fails gives the client a temporary failure, and the log says at which step", async (t) => {
  for (const { name, script, code, directives = {}, reply = INTERNAL_ERROR } of UPSTREAMS) {
    await t.step(name, async () => {
      await using upstream = new ScriptedUpstream(script);
      await withEdge({
        callout: () => accepted(upstream.port),
        servers: () => [{ xclient: "off", timeout: "1s", ...directives }],
      }, async ({ connect, postern }) => {
        await using client = await connect();
        await client.authPlain("alice", "very secret", reply);
        await client.expectEnd();
        const line = await postern.event("upstream_failed");
        assert.equal(line["code"], code, line.msg);
        assert.doesNotMatch(JSON.stringify(postern.log), /very secret/);
      });
    });
  }
});

Deno.test("an auth service or a mail server whose certificate has another name is a temporary failure", async () => {
  const { otherServer } = await testCertificates();
  await using callout = new ScriptedCallout(() => accepted(upstream.port), { tls: otherServer });
  await using upstream = new ScriptedUpstream(async (peer) => void await peer.readToEnd(), {
    tls: otherServer,
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: (files) => [
      {
        auth_http: callout.url(),
        auth_http_ssl_name: "mail.test",
        auth_http_ssl_trusted_certificate: files.root,
      },
      { proxy_ssl: "on", proxy_ssl_name: "mx.test", proxy_ssl_trusted_certificate: files.root },
    ],
  }, async ({ connect, postern }) => {
    const told = [["auth_unavailable", "tls"], ["upstream_failed", "certificate"]] as const;
    for (const [index, [event, code]] of told.entries()) {
      await using client = await connect(index);
      await client.authPlain("alice", "very secret", INTERNAL_ERROR);
      await client.expectEnd();
      assert.equal((await postern.event(event))["code"], code);
    }
    assert.deepEqual(callout.requests, []);
    assert.ok(upstream.dialogues.every(({ unread }) => unread === ""));
  });
});

Deno.test("a mail server that is not there is a temporary failure", async () => {
  using nobody = await ReservedPort.take();
  await withEdge({ callout: () => accepted(nobody.port) }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", INTERNAL_ERROR);
    await client.expectEnd();
    assert.equal((await postern.event("upstream_failed"))["code"], "refused");
  });
});

Deno.test("a client that leaves while it waits takes its callout and its mail server connection along", async () => {
  const asked = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await using upstream = new ScriptedUpstream(async (peer) => {
    connected.resolve();
    await peer.readToEnd();
    released.resolve();
  });
  await withEdge({
    callout: (request) => {
      if (request.header("Auth-User") !== "slow") return accepted(upstream.port);
      asked.resolve();
      return never(request);
    },
    servers: () => [{ xclient: "off", timeout: "2s", auth_http_timeout: "2s" }],
  }, async ({ connect, postern }) => {
    const first = await connect();
    await first.send(`AUTH PLAIN ${btoa("\0slow\0x")}\r\n`);
    await asked.promise;
    await first.close();
    const second = await connect();
    await second.send(`AUTH PLAIN ${btoa("\0alice\0x")}\r\n`);
    await connected.promise;
    await second.close();
    await released.promise;
    await postern.event("session_closed", (line) => line["conn"] === 1);
    await postern.event("session_closed", (line) => line["conn"] === 2);
  });
});
