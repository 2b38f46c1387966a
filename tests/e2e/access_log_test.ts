import assert from "node:assert/strict";
import net from "node:net";
import { testCertificates } from "../support/certificates.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { type CertificateFiles, type Directives, type Edge, withEdge } from "../support/edge.ts";
import { until } from "../support/patience.ts";
import { ENDINGS } from "../../src/telemetry/endings.ts";
import type { LogLine } from "../support/postern_process.ts";
import { accepted, type CalloutRequest, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir, writeFiles } from "../support/temp_dir.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";

/** One way for a session to end. */
interface Ending {
  readonly outcome: string;
  readonly server?: (files: CertificateFiles) => Directives;
  /** What the client does; the connection is closed for it afterwards. */
  readonly play: (client: DialogueClient, edge: Edge) => Promise<unknown>;
  /** All of the session's line but what every line has; numbers that are times are `T`, ports `P`. */
  readonly line: Readonly<Record<string, unknown>>;
}

const AUTH = { auth_method: "plain", login: "ada", attempts: 1 } as const;
const OPENED = { ...AUTH, callout: "accepted", upstream: "127.0.0.1:P" } as const;
const DIALOGUE = { helo: "client.example" } as const;
const TLS = {
  starttls: false,
  tls_protocol: "TLSv1.3",
  tls_cipher: "TLS_AES_256_GCM_SHA384",
  tls_sni: "mail.test",
  tls_resumed: false,
} as const;

async function greet(client: DialogueClient): Promise<void> {
  await client.expect(/^220 /);
  await client.command("EHLO client.example", /^250[ -]/);
}

async function signIn(client: DialogueClient, user = "ada"): Promise<void> {
  await greet(client);
  await client.authPlain(user, "secret");
}

/** Of both servers that have it together. */
const ONE_CONNECTION_A_DAY: Directives = { limit_req: "connections client rate=1r/d zone=both" };

const SESSIONS: readonly Ending[] = [
  {
    outcome: "relayed",
    play: async (client) => {
      await signIn(client);
      await client.command("NOOP", "250 ok");
      await client.quit();
    },
    line: { ...DIALOGUE, ...OPENED, side: "upstream", stage: "relaying", octets: [12, 17] },
  },
  {
    outcome: "relayed",
    play: async (client) => {
      await signIn(client);
      await client.command("NOOP", "250 ok");
    },
    line: { ...DIALOGUE, ...OPENED, side: "client", stage: "relaying", octets: [6, 8] },
  },
  {
    outcome: "relay_lost",
    play: async (client) => {
      await signIn(client, "lost");
      await client.send("NOOP\r\n");
      await client.readToEnd();
    },
    line: { ...DIALOGUE, ...OPENED, login: "lost", side: "upstream", stage: "relaying", octets: [6, 60] },
  },
  {
    outcome: "relay_refused",
    play: async (client) => {
      await signIn(client);
      await client.send("NOOP\n");
      await client.expect(/^521 5\.5\.2 /);
      await client.expectEnd();
    },
    line: { ...DIALOGUE, ...OPENED, side: "postern", stage: "relaying", octets: [0, 77] },
  },
  {
    outcome: "relay_timeout",
    server: () => ({ proxy_timeout: "200ms" }),
    play: async (client) => {
      await signIn(client);
      await client.expect("421 4.4.2 mail.test Timeout, closing connection");
      await client.expectEnd();
    },
    line: { ...DIALOGUE, ...OPENED, side: "postern", stage: "relaying", octets: [0, 49] },
  },
  {
    outcome: "quit",
    play: async (client) => {
      await greet(client);
      await client.quit();
    },
    line: { ...DIALOGUE, side: "client", stage: "command" },
  },
  {
    outcome: "client_closed",
    play: async (client) => {
      await client.expect(/^220 /);
      await client.command("NOOP", /^250 /);
    },
    line: { side: "client", stage: "command" },
  },
  {
    outcome: "timeout",
    server: () => ({ timeout: "200ms" }),
    play: async (client) => {
      await client.expect(/^220 /);
      await client.expect(/^421 4\.4\.2 /);
      await client.expectEnd();
    },
    line: { side: "postern", stage: "command" },
  },
  {
    outcome: "timeout",
    server: (files) => ({ ...files.server(), ssl: "on", timeout: "200ms" }),
    play: (client) => client.readToEnd(),
    line: { side: "postern", stage: "handshake" },
  },
  {
    outcome: "too_many_errors",
    server: () => ({ max_errors: 1 }),
    play: async (client) => {
      await client.expect(/^220 /);
      await client.send("FOO\r\n");
      await client.readToEnd();
    },
    line: { side: "postern", stage: "command" },
  },
  {
    outcome: "too_many_commands",
    server: () => ({ max_commands: 1 }),
    play: async (client) => {
      await greet(client);
      await client.send("NOOP\r\n");
      await client.readToEnd();
    },
    line: { ...DIALOGUE, side: "postern", stage: "command" },
  },
  {
    outcome: "pipelining",
    server: () => ({ smtp_reject_unauth_pipelining: "on" }),
    play: async (client) => {
      await client.expect(/^220 /);
      await client.send("EHLO client.example\r\nNOOP\r\n");
      await client.readToEnd();
    },
    line: { side: "postern", stage: "command" },
  },
  {
    outcome: "not_smtp",
    play: async (client) => {
      await client.expect(/^220 /);
      await client.send("GET / HTTP/1.1\r\n\r\n");
      await client.readToEnd();
    },
    line: { side: "postern", stage: "command" },
  },
  {
    outcome: "denied",
    server: () => ({ access: ["deny all"] }),
    play: (client) => client.readToEnd(),
    line: { side: "postern", stage: "admitting" },
  },
  {
    outcome: "quit",
    server: () => ONE_CONNECTION_A_DAY,
    play: (client) => client.expect(/^220 /).then(() => client.quit()),
    line: { side: "client", stage: "command" },
  },
  {
    outcome: "limited",
    server: () => ONE_CONNECTION_A_DAY,
    play: (client) => client.readToEnd(),
    line: { side: "postern", stage: "admitting" },
  },
  {
    outcome: "early_talker",
    server: () => ({ smtp_greeting_delay: "1m" }),
    play: async (client) => {
      await client.send("EHLO client.example\r\n");
      await client.readToEnd();
    },
    line: { side: "postern", stage: "greeting_delay" },
  },
  {
    outcome: "line_too_long",
    server: () => ({ smtp_client_buffer: 512 }),
    play: async (client) => {
      await client.expect(/^220 /);
      await client.send("x".repeat(1000));
      await client.readToEnd();
    },
    line: { side: "postern", stage: "command" },
  },
  {
    outcome: "proxy_header",
    server: () => ({ listen: "127.0.0.1:0 proxy_protocol" }),
    play: async (client) => {
      await client.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n");
      await client.readToEnd();
    },
    line: { side: "postern", stage: "proxy_header" },
  },
  {
    outcome: "quit",
    server: () => ({ listen: "127.0.0.1:0 proxy_protocol", set_real_ip_from: "127.0.0.1" }),
    play: async (client) => {
      await client.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n");
      await greet(client);
      await client.quit();
    },
    line: { client: "192.0.2.7:P", peer: "127.0.0.1:P", ...DIALOGUE, side: "client", stage: "command" },
  },
  {
    outcome: "tls_failed",
    server: (files) => ({ ...files.server(), ssl: "on" }),
    play: async (client) => {
      await client.send("EHLO client.example\r\n");
      await client.readToEnd();
    },
    line: { side: "client", stage: "handshake" },
  },
  {
    outcome: "certificate",
    server: (files) => ({
      ...files.server(),
      ssl: "on",
      ssl_verify_client: "on",
      ssl_client_certificate: files.root,
    }),
    play: async (client, { files }) => {
      await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      await client.readToEnd();
    },
    line: { ...TLS, side: "postern", stage: "handshake" },
  },
  {
    outcome: "certificate",
    server: (files) => ({
      ...files.server(),
      starttls: "on",
      ssl_verify_client: "on",
      ssl_client_certificate: files.root,
    }),
    play: async (client, { files }) => {
      await greet(client);
      await client.command("STARTTLS", /^220 /);
      await client.startTls({
        authorities: files.made.root.certificate,
        serverName: "mail.test",
        ...files.made.expiredClient,
      });
      await client.readToEnd();
    },
    line: {
      ...DIALOGUE,
      ...TLS,
      starttls: true,
      client_cert: "FAILED:certificate has expired",
      side: "postern",
      stage: "handshake",
    },
  },
  {
    outcome: "refused",
    server: (files) => ({ ...files.server(), ssl: "on" }),
    play: async (client, { files }) => {
      await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      await greet(client);
      await client.authPlain("bob", "secret", /^535 /);
      await client.expectEnd();
    },
    line: {
      ...DIALOGUE,
      ...TLS,
      ...AUTH,
      login: "bob",
      callout: "refused",
      side: "postern",
      stage: "command",
    },
  },
  {
    outcome: "refused",
    server: () => ({ smtp_auth: "none" }),
    play: async (client) => {
      await greet(client);
      await client.command("MAIL FROM:<ann@example.test> SIZE=1", /^250 /);
      await client.command("RCPT TO:<bob@example.test>", /^535 /);
    },
    line: {
      ...DIALOGUE,
      auth_method: "none",
      attempts: 1,
      callout: "refused",
      reverse_path: "ann@example.test",
      side: "postern",
      stage: "command",
    },
  },
  {
    outcome: "auth_unavailable",
    play: async (client) => {
      await greet(client);
      await client.authPlain("broken", "secret", /^451 /);
    },
    line: {
      ...DIALOGUE,
      ...AUTH,
      login: "broken",
      callout: "failed",
      callout_code: "status",
      side: "postern",
      stage: "command",
    },
  },
  {
    outcome: "upstream_failed",
    play: async (client) => {
      await greet(client);
      await client.authPlain("full", "secret", /^451 /);
    },
    line: {
      ...DIALOGUE,
      ...OPENED,
      login: "full",
      upstream_stage: "reading response from upstream",
      upstream_code: "refused",
      reply: "421 4.3.2 too many connections",
      side: "upstream",
      stage: "command",
    },
  },
  {
    outcome: "dismissed",
    play: async (client, { postern }) => {
      await greet(client);
      const { address } = await postern.event("admin_listening");
      const found = await (await fetch(`http://${address}/sessions`)).json();
      const { id } = found.sessions[0];
      await (await fetch(`http://${address}/sessions/${id}`, { method: "DELETE" })).text();
      await client.readToEnd();
    },
    line: { ...DIALOGUE, side: "postern", stage: "command" },
  },
  {
    outcome: "shutdown",
    play: async (client, { postern }) => {
      await client.expect(/^220 /);
      postern.signal("SIGTERM");
      await client.expect(/^421 /);
      await client.readToEnd();
    },
    line: { side: "postern", stage: "command" },
  },
];

async function mailServer(peer: UpstreamDialogue): Promise<void> {
  await peer.reply("220 mx");
  await peer.answer("EHLO mail.test", "250 mx");
  for (let line = ""; line !== "QUIT";) {
    if (!await peer.waitForOctets()) return;
    line = await peer.readLine();
    await peer.reply(line === "QUIT" ? "221 bye" : "250 ok");
  }
}

/** A mail server that resets its connections in the relay, which Deno's own sockets cannot. */
async function resettingServer(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = net.createServer((socket) => {
    socket.write("220 mx\r\n");
    socket.on("data", (octets) => {
      if (octets.toString().startsWith("EHLO")) socket.write("250 mx\r\n");
      else socket.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** A session's line as {@linkcode Ending} has it. */
function masked(line: LogLine): Record<string, unknown> {
  const { ts, level, event, worker, session, conn, listener, seconds, stages, ...others } = line;
  const rest: Record<string, unknown> = others;
  assert.match(String(ts), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual([level, event, typeof conn, typeof worker], [
    "info",
    "session_closed",
    "number",
    "undefined",
  ]);
  assert.match(String(session), /^[0-9a-f]{16}$/);
  assert.match(String(listener), /^127\.0\.0\.1:\d+$/);
  assert.ok(typeof seconds === "number" && seconds >= 0);
  const times = Object.entries(stages as Record<string, number>);
  assert.ok(times.every(([, time]) => time >= 0));
  const sum = times.reduce((all, [, time]) => all + time, 0);
  assert.ok(sum <= seconds + 0.001, `${JSON.stringify(line)}`);
  for (const name of ["client", "peer", "upstream"]) {
    if (name in rest) rest[name] = String(rest[name]).replace(/:\d+$/, ":P");
  }
  return rest;
}

/** What every line has, and what every relay has. */
function whole({ outcome, line: { octets, ...line } }: Ending): Record<string, unknown> {
  const relay = octets === undefined ? {} : {
    messages: 0,
    messages_failed: 0,
    recipients: 0,
    recipients_refused: 0,
    octets_to_upstream: (octets as number[])[0],
    octets_to_client: (octets as number[])[1],
  };
  return { client: "127.0.0.1:P", ...line, ...relay, outcome };
}

/** What no client can bring about on loopback in a moment. */
const ELSEWHERE = ["tls_refused", "internal_error"];

Deno.test("there is a session for every ending", () => {
  const shown = new Set(SESSIONS.map(({ outcome }) => outcome));
  assert.deepEqual(
    Object.keys(ENDINGS).filter((outcome) => !shown.has(outcome)).toSorted(),
    ELSEWHERE.toSorted(),
  );
});

Deno.test("every session has one line, which says how it ended and who ended it, in both formats", async () => {
  await using upstream = new ScriptedUpstream(mailServer);
  await using resetting = await resettingServer();
  await using full = new ScriptedUpstream((peer) => peer.reply("421 4.3.2 too many connections"));
  const callout = (request: CalloutRequest) => {
    switch (request.header("Auth-User")) {
      case "ada":
        return accepted(upstream.port);
      case "lost":
        return accepted(resetting.port);
      case "full":
        return accepted(full.port);
      case "broken":
        return "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
      default:
        return refused("no");
    }
  };
  await withEdge({
    callout,
    mail: ({ directory }) => ({
      xclient: "off",
      worker_processes: 1,
      admin_listen: "127.0.0.1:0",
      access_log: ["stderr", `${directory}/access.log format=text`],
    }),
    servers: (files) => SESSIONS.map(({ server }) => server?.(files) ?? {}),
  }, async (edge) => {
    const { postern, files } = edge;
    for (const [index, ending] of SESSIONS.entries()) {
      await using client = await DialogueClient.connect({ port: postern.port(index) });
      await ending.play(client, edge);
      await client.close();
      const line = await postern.event("session_closed", ({ conn }) => conn === index + 1);
      assert.deepEqual(masked(line), whole(ending), `${ending.outcome}, line ${index + 1}`);
    }
    let lines: string[] = [];
    await until(async () => {
      lines = (await Deno.readTextFile(`${files.directory}/access.log`)).trimEnd().split("\n");
      return lines.length >= SESSIONS.length;
    }, () => "not all lines are written");
    assert.deepEqual(
      lines.map((line) => line.replace(/^\S+ /, "").replace(/ after \d.*/, "")),
      SESSIONS.map(({ outcome, line }) => `session ${outcome}, ended by ${line["side"]}`),
    );
    assert.match(
      lines[0]!,
      new RegExp(
        "^\\S+Z session relayed, ended by upstream after [\\d.]+s: session=[0-9a-f]{16} conn=1 " +
          "listener=127\\.0\\.0\\.1:\\d+ client=127\\.0\\.0\\.1:\\d+ helo=client\\.example auth_method=plain login=ada " +
          "attempts=1 callout=accepted upstream=127\\.0\\.0\\.1:\\d+ messages=0 messages_failed=0 recipients=0 " +
          "recipients_refused=0 octets_to_upstream=12 octets_to_client=17 stage=relaying " +
          "stages=command:[\\d.]+,asking:[\\d.]+,connecting:[\\d.]+,relaying:[\\d.]+$",
      ),
    );
  });
});

Deno.test("workers write their sessions to one access log, which SIGUSR1 opens again", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    mail: ({ directory }) => ({ worker_processes: 2, access_log: `${directory}/access.log` }),
  }, async ({ postern, connect, files: { directory } }) => {
    const path = `${directory}/access.log`;
    const quit = async () => {
      await using client = await connect();
      await client.quit();
    };
    const conns = (text: string) =>
      text.trimEnd().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).conn)
        .toSorted();
    const untilWritten = async (count: number): Promise<number[]> => {
      let found: number[] = [];
      await until(
        async () => (found = conns(await Deno.readTextFile(path))).length >= count,
        () => "its lines are not there",
      );
      return found;
    };
    await Promise.all([quit(), quit(), quit()]);
    assert.deepEqual(await untilWritten(3), [1, 2, 3]);
    await Deno.rename(path, `${path}.1`);
    // The runtime hears the signal a while after its start only: it is sent until the file is there again.
    await until(async () => {
      postern.signal("SIGUSR1");
      return await Deno.stat(path).catch(() => null) !== null;
    }, () => "it is not opened again");
    await quit();
    assert.deepEqual(await untilWritten(1), [4]);
    assert.deepEqual(conns(await Deno.readTextFile(`${path}.1`)), [1, 2, 3]);
    assert.equal(postern.log.some(({ event }) => event === "session_closed"), false);
  });
});

/** The lines of messages, without what is another one each time. */
function messagesOf(log: readonly LogLine[]): Record<string, unknown>[] {
  return log.filter(({ event }) => event === "message").map((line) => {
    const { ts: _, level, session, listener, client, upstream, seconds, worker: _worker, ...rest } = line;
    assert.equal(level, "info");
    assert.match(String(session), /^[0-9a-f]{16}$/);
    for (const address of [listener, client, upstream]) assert.match(String(address), /^127\.0\.0\.1:\d+$/);
    assert.ok(typeof seconds === "number" && seconds >= 0);
    return rest;
  });
}

Deno.test("every message of a relay has one line, whatever becomes of it, and the session sums them up", async () => {
  const replies = ["250 2.0.0 Ok: queued as 4F1A", "552 5.3.4 too big"];
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx");
    await peer.answer("EHLO mail.test", "250 mx");
    for (const reply of replies) {
      await peer.answer(/^MAIL /, "250 2.1.0 ok");
      await peer.answer(/^RCPT /, "250 2.1.5 ok");
      await peer.answer(/^RCPT /, "550 5.1.1 no such user");
      await peer.answer("DATA", "354 go ahead");
      await peer.readUntil("\r\n.\r\n");
      await peer.reply(reply);
    }
    await peer.answer(/^MAIL /, "250 2.1.0 ok");
    await peer.readToEnd();
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    mail: ({ directory }) => ({
      xclient: "off",
      access_log: ["stderr", `${directory}/access.log format=text`],
    }),
  }, async ({ postern, connect, files }) => {
    await using client = await connect();
    await client.authPlain("ada", "secret");
    for (const reply of replies) {
      await client.command("MAIL FROM:<ann@example.test> SIZE=1000", /^250 /);
      await client.command("RCPT TO:<bob@example.test>", /^250 /);
      await client.command("RCPT TO:<nobody@example.test>", /^550 /);
      await client.command("DATA", /^354 /);
      await client.send("Subject: x\r\n\r\nHi\r\n");
      await client.command(".", reply);
    }
    await client.command("MAIL FROM:<>", /^250 /);
    await client.close();
    const session = await postern.event("session_closed");
    const common = { event: "message", conn: 1, login: "ada", reverse_path: "ann@example.test" };
    const offered = { recipients: 1, recipients_refused: 1, octets: 18 };
    assert.deepEqual(messagesOf(postern.log), [
      { ...common, ...offered, message: 1, reply: replies[0], queue_id: "4F1A", outcome: "accepted" },
      { ...common, ...offered, message: 2, reply: replies[1], outcome: "rejected" },
      {
        ...common,
        message: 3,
        reverse_path: "",
        recipients: 0,
        recipients_refused: 0,
        octets: 0,
        outcome: "aborted",
      },
    ]);
    const { messages, messages_failed, recipients, recipients_refused, reverse_path, reply, queue_id } =
      session;
    assert.deepEqual(
      { messages, messages_failed, recipients, recipients_refused, reverse_path, reply, queue_id },
      {
        messages: 1,
        messages_failed: 2,
        recipients: 2,
        recipients_refused: 2,
        reverse_path: "",
        reply: replies[1],
        queue_id: "4F1A",
      },
    );
    let text = "";
    await until(async () => {
      text = await Deno.readTextFile(`${files.directory}/access.log`);
      return text.includes(" session relayed");
    }, () => "not all lines are written");
    assert.match(
      text,
      /^\S+ message 1 accepted after [\d.]+s: .* reverse_path=ann@example\.test recipients=1 recipients_refused=1 octets=18 reply="250 2\.0\.0 Ok: queued as 4F1A" queue_id=4F1A$/m,
    );
  });
});

Deno.test("the line of a session tells the version of TLS with a mail server that is trusted by default", async () => {
  const { root, server } = await testCertificates();
  await using sink = new SmtpSink({ capabilities: ["AUTH PLAIN"], tls: server });
  await withTempDir(async (directory) => {
    const { authorities } = await writeFiles(directory, { authorities: root.certificate });
    await withEdge({
      callout: () => accepted(sink.port),
      servers: () => [{ xclient: "off", proxy_ssl: "starttls", proxy_ssl_name: "mx.test" }],
      env: { DENO_CERT: authorities },
    }, async ({ connect, postern }) => {
      await using client = await connect();
      await client.authPlain("ada", "secret");
      await client.quit();
      assert.equal((await postern.event("session_closed"))["upstream_tls"], "TLSv1.3");
    });
  });
});
