import assert from "node:assert/strict";
import { type CertificateAndKey, testCertificates } from "../support/certificates.ts";
import { type CertificateFiles, type Directives, withEdge } from "../support/edge.ts";
import {
  accepted,
  type CalloutAnswer,
  type CalloutRequest,
  httpAnswer,
  never,
  refused,
  ScriptedCallout,
} from "../support/scripted_callout.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { withTempDir } from "../support/temp_dir.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";

const INTERNAL_ERROR = "451 4.3.2 Internal server error";
const LOGIN = btoa("\0alice\0secret");

/** The callout's answer that names servers on loopback. */
function servers(...ports: readonly number[]): string {
  return httpAnswer(
    "Auth-Status: OK",
    `Auth-Server: ${ports.map(() => "127.0.0.1").join(", ")}`,
    `Auth-Port: ${ports.join(", ")}`,
  );
}

/** A mail server that lets everybody in and says who it is. */
function good(name: string): ScriptedUpstream {
  return new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test ESMTP");
    await peer.answer("EHLO mail.test", "250-mx.test", "250 AUTH PLAIN");
    if ((await peer.readLine()).startsWith("AUTH")) {
      await peer.reply("235 ok");
      await peer.readLine();
    }
    await peer.reply(`250 ${name}`);
    await peer.readToEnd();
  });
}

interface BadServer {
  readonly name: string;
  readonly script: (peer: UpstreamDialogue) => Promise<unknown>;
  readonly code: string;
  readonly directives?: (files: CertificateFiles) => Directives;
}

const BAD: readonly BadServer[] = [
  { name: "closes before its greeting", script: () => Promise.resolve(), code: "closed" },
  {
    name: "is too busy to greet",
    script: (peer) => peer.reply("421 4.3.2 too busy"),
    code: "refused",
  },
  {
    name: "does not greet in time",
    script: (peer) => peer.readToEnd(),
    code: "timeout",
    // It bounds what the client and the second mail server take, too.
    directives: () => ({ timeout: "3s" }),
  },
  {
    name: "closes instead of an answer to AUTH",
    script: async (peer) => {
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "250-mx.test", "250 AUTH PLAIN");
      await peer.expect(`AUTH PLAIN ${LOGIN}`);
    },
    code: "closed",
    directives: () => ({ proxy_smtp_auth: "on" }),
  },
];

Deno.test("a client does not notice that the first mail server fails and the second one takes it", async (t) => {
  for (const { name, script, code, directives } of BAD) {
    await t.step(name, async () => {
      await using first = new ScriptedUpstream(async (peer) => void await script(peer));
      await using second = good("second");
      await withEdge({
        callout: () => servers(first.port, second.port),
        servers: (files) => [{ xclient: "off", ...directives?.(files) }],
      }, async ({ connect, postern }) => {
        await using client = await connect();
        await client.authPlain("alice", "secret");
        await client.command("NOOP", "250 second");
        const failover = await postern.event("upstream_failover");
        assert.equal(failover["code"], code);
        assert.equal(failover["upstream"], `127.0.0.1:${first.port}`);
        assert.equal((await postern.event("client_logged_in"))["upstream"], `127.0.0.1:${second.port}`);
      });
      assert.equal(first.dialogues.length, 1);
    });
  }
});

Deno.test("a client does not notice that the first mail server has another's certificate", async () => {
  const made = await testCertificates();
  const withCertificate = (pair: CertificateAndKey) =>
    new ScriptedUpstream(async (peer) => {
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "250-mx.test", "250 STARTTLS");
      await peer.answer("STARTTLS", "220 go");
      await peer.acceptTls(pair);
      await peer.answer("EHLO mail.test", "250 mx.test");
      await peer.readToEnd();
    });
  const first = withCertificate(made.otherServer);
  await using second = withCertificate(made.server);
  await withEdge({
    callout: () => servers(first.port, second.port),
    servers: (files) => [{
      xclient: "off",
      proxy_ssl: "starttls",
      proxy_ssl_trusted_certificate: files.root,
      proxy_ssl_name: "mail.test",
    }],
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret");
    assert.equal((await postern.event("upstream_failover"))["code"], "certificate");
  });
  // What the server makes of a client that goes is not the question here.
  await first.close().catch(() => {});
});

Deno.test("a mail server that refuses the credentials has decided", async () => {
  await using first = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test");
    await peer.answer("EHLO mail.test", "250-mx.test", "250 AUTH PLAIN");
    await peer.answer(`AUTH PLAIN ${LOGIN}`, "535 5.7.8 no");
    await peer.readToEnd();
  });
  await using second = good("second");
  await withEdge({
    callout: () => servers(first.port, second.port),
    servers: () => [{ xclient: "off", proxy_smtp_auth: "on", proxy_pass_error_message: "on" }],
  }, async ({ connect }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", "535 5.7.8 no");
    await client.expectEnd();
  });
  assert.equal(second.dialogues.length, 0);
});

Deno.test("a mail server that is not there comes last for the next clients", async () => {
  using gone = await ReservedPort.take();
  await using second = good("second");
  await withEdge({
    callout: () => servers(gone.port, second.port),
    mail: () => ({ worker_processes: 1, xclient: "off" }),
  }, async ({ connect, postern }) => {
    for (let turn = 0; turn < 2; turn++) {
      await using client = await connect();
      await client.authPlain("alice", "secret");
      await client.command("NOOP", "250 second");
    }
    await postern.event("client_logged_in", (line) => line["conn"] === 2);
    const names = postern.log.map(({ event }) => event).filter((event) => event.startsWith("upstream"));
    assert.deepEqual(names, ["upstream_resting", "upstream_failover"]);
  });
});

Deno.test("a Postern that is sent to itself refuses the client for now and does not connect", async () => {
  await withEdge({
    callout: (request) => {
      const [server = "", port = ""] = (request.header("Auth-User") ?? "").split("|");
      return httpAnswer("Auth-Status: OK", `Auth-Server: ${server}`, `Auth-Port: ${port}`);
    },
    servers: ({ directory }) => [{
      listen: ["0.0.0.0:0", `unix:${directory}/own.sock`],
      xclient: "off",
    }],
  }, async ({ connect, postern, files }) => {
    const port = postern.port();
    const hosts = ["127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"];
    const targets = [...hosts.map((host) => `${host}|${port}`), `unix:${files.directory}/own.sock|`];
    for (const target of targets) {
      await using client = await connect();
      await client.authPlain(target, "secret", INTERNAL_ERROR);
      await client.expectEnd();
      const line = await postern.event("upstream_failed", (candidate) => candidate["login"] === target);
      assert.equal(line["code"], "own_listener", target);
    }
    assert.equal(postern.log.filter(({ event }) => event === "client_connected").length, targets.length);
  });
});

interface BadService {
  readonly name: string;
  readonly answer: (request: CalloutRequest) => CalloutAnswer | Promise<CalloutAnswer>;
  readonly code: string;
}

const BAD_SERVICES: readonly BadService[] = [
  { name: "is too slow", answer: never, code: "timeout" },
  { name: "closes without an answer", answer: () => ({ raw: "", close: true }), code: "closed" },
  {
    name: "stops in the middle",
    answer: () => ({ raw: "HTTP/1.1 200 OK\r\nAuth-Status: O", close: true }),
    code: "closed",
  },
  {
    name: "does not speak HTTP",
    answer: () => ({ raw: "* OK IMAP\r\n", close: true }),
    code: "invalid_response",
  },
  { name: "has an error", answer: () => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", code: "status" },
];

Deno.test("a client does not notice that the first auth service fails and the second one decides", async (t) => {
  for (const { name, answer, code } of BAD_SERVICES) {
    await t.step(name, async () => {
      await using upstream = good("mail");
      await using first = new ScriptedCallout(answer);
      await using second = new ScriptedCallout(() => accepted(upstream.port));
      await withEdge({
        callout: answer,
        mail: () => ({
          auth_http: [first.url(), second.url("/other")],
          auth_http_timeout: "1s",
          worker_processes: 1,
          xclient: "off",
        }),
      }, async ({ connect, postern }) => {
        for (let turn = 0; turn < 2; turn++) {
          await using client = await connect();
          await client.authPlain("alice", "very secret");
          await client.command("NOOP", "250 mail");
        }
        const line = await postern.event("auth_failover");
        assert.equal(line["code"], code);
        assert.equal(line["server"], `127.0.0.1:${first.port}`);
        assert.equal((await postern.event("auth_service_down"))["code"], code);
        assert.doesNotMatch(JSON.stringify(postern.log), /very secret|dmVyeSBzZWNyZXQ/);
      });
      // The second client found it resting.
      assert.equal(first.requests.length, 1);
      assert.equal(second.requests.length, 2);
      assert.match(second.requests[0]!.raw, /^GET \/other HTTP\/1\.1\r\n/);
    });
  }
});

Deno.test("while no auth service can be reached clients are refused for now, without asking any", async () => {
  using first = await ReservedPort.take();
  using second = await ReservedPort.take();
  const services = [first, second].map(({ port }) => `127.0.0.1:${port}`);
  await withEdge({
    callout: () => refused("nobody asks here"),
    mail: () => ({
      auth_http: services.map((service) => `http://${service}/ fail_timeout=1d`),
      worker_processes: 1,
    }),
  }, async ({ connect, postern }) => {
    for (const [code, server] of [["connect", services[1]], ["circuit_open", services.join(", ")]] as const) {
      await using client = await connect();
      await client.authPlain("alice", "secret", INTERNAL_ERROR);
      await client.expectEnd();
      const line = await postern.event("auth_unavailable", (candidate) => candidate["code"] === code);
      assert.equal(line["server"], server);
      await postern.event("auth_circuit_open");
    }
  });
});

Deno.test("an auth service that is back is asked again after its time", async () => {
  await using upstream = good("mail");
  await withTempDir(async (directory) => {
    const path = `${directory}/auth.sock`;
    await withEdge({
      callout: () => refused("nobody asks here"),
      mail: () => ({
        auth_http: `unix:${path}:/auth max_fails=1 fail_timeout=200ms`,
        worker_processes: 1,
        xclient: "off",
      }),
    }, async ({ connect, postern }) => {
      await using first = await connect();
      await first.authPlain("alice", "secret", INTERNAL_ERROR);
      await postern.event("auth_circuit_open");
      await using _service = new ScriptedCallout(() => accepted(upstream.port), { path });
      for (let reply = ""; !reply.startsWith("235");) {
        await using client = await connect();
        reply = await client.authPlain("alice", "secret", /^(235|451) /);
        if (reply.startsWith("235")) await client.command("NOOP", "250 mail");
      }
      await postern.event("auth_circuit_closed");
    });
  });
});
