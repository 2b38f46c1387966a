/**
 * Thousands of mutated dialogues at a running proxy, on the side of the client, of the auth service and of the mail
 * server: each of them ends in a defined reply or a clean close, and the process sees no error of its own.
 *
 * The seed is fixed; `FUZZ_SEED=…` takes another.
 */
import assert from "node:assert/strict";
import { type Directives, type Edge, withEdge } from "../support/edge.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { connectPlain, TlsStream } from "../support/peer_stream.ts";
import { PeerServer } from "../support/peer_server.ts";
import { accepted, type CalloutAnswer, refused } from "../support/scripted_callout.ts";
import { ScriptedUpstream } from "../support/scripted_upstream.ts";
import { secrets } from "../support/secrets.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { Choices, mutate, segments } from "./mutation.ts";

const SEED = readSeed() ?? 20260;
/** Dialogues that run at the same time. */
const CONCURRENCY = 48;
/** Nothing is won by hurrying clients on a busy machine: those that leave something open end their direction. */
const UNHURRIED: Directives = {
  timeout: "15s",
  auth_http_timeout: "15s",
  proxy_timeout: "15s",
  // The logins of thousands come from one address: those that fail are not to hold up the next ones.
  limit_login: "off",
};
/** Waits for peers that a mutation may leave without an answer are short, in configuration time. */
const SHORT: Directives = {
  ...UNHURRIED,
  auth_http_timeout: "500ms",
  proxy_timeout: "500ms",
  proxy_connect_timeout: "500ms",
};

/** One or more whole replies and nothing else. */
const REPLIES = /^(?:\d{3}-[^\r\n]*\r\n)*(?:\d{3}(?: [^\r\n]*)?\r\n(?:\d{3}-[^\r\n]*\r\n)*)*$/;

/** The last word to a client that said STARTTLS and then something else (RFC 8446 §6). */
// deno-lint-ignore no-control-regex
const ALERT = /220 2\.0\.0 Start TLS\r\n\x15\x03[\x00-\x04]\0\x02\x02[^]$/;

function readSeed(): number | null {
  const permission = Deno.permissions.querySync({ name: "env", variable: "FUZZ_SEED" });
  const text = permission.state === "granted" ? Deno.env.get("FUZZ_SEED") : undefined;
  return text === undefined ? null : Number(text);
}

/** Runs `count` dialogues, each with choices of its own; the number of the one that fails is in the error. */
async function runDialogues(
  count: number,
  run: (choices: Choices, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next++;
      try {
        await run(new Choices(SEED + index * 7_919), index);
      } catch (error) {
        throw new Error(`dialogue ${index} of seed ${SEED}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

/** Sends the segments; the proxy may have ended the session before the last one. */
async function sendAll(client: DialogueClient, parts: readonly string[]): Promise<void> {
  try {
    for (const part of parts) await client.send(part);
    await client.closeWrite();
  } catch {
    // What the proxy said before it closed is still to be read.
  }
}

/** After all of it a session like any other works. */
async function assertHealthy({ connect, postern }: Edge): Promise<void> {
  await using client = await connect(0, { greeting: false });
  await sendAll(client, ["EHLO client.example\r\n"]);
  assert.match((await client.readToEnd()).text, /^220 mail\.test ESMTP ready\r\n250[ -]/);
  assert.equal(postern.ended, false);
  assert.deepEqual(
    postern.log.filter(({ event }) => event === "internal_error" || event === "unreadable"),
    [],
  );
}

// Mutated dialogues have their passwords in any place, as in a host name, where nobody can know them.
secrets.ignored = true;

const LOGIN = btoa("\0alice\0secret");
const MESSAGE =
  "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nSubject: x\r\n\r\n..x\r\n.\r\nQUIT\r\n";
const DIALOGUES: readonly string[] = [
  `EHLO client.example\r\nAUTH PLAIN ${LOGIN}\r\n${MESSAGE}`,
  `EHLO client.example\r\nAUTH LOGIN\r\n${btoa("alice")}\r\n${btoa("secret")}\r\n${MESSAGE}`,
  `HELO client.example\r\n${MESSAGE}`,
  `EHLO client.example\r\nNOOP\r\nRSET\r\nVRFY x\r\nHELP\r\nMAIL FROM:<> SIZE=1\r\nRCPT TO:<"a b"@[192.0.2.1]>\r\nQUIT\r\n`,
  `EHLO c\r\nAUTH XOAUTH2 ${btoa("user=alice\x01auth=Bearer t\x01\x01")}\r\n\r\nAUTH OAUTHBEARER ${
    btoa("n,a=alice,\x01auth=Bearer t\x01\x01")
  }\r\nAQ==\r\nQUIT\r\n`,
  `EHLO c\r\nAUTH CRAM-MD5\r\n${
    btoa("alice 0123456789abcdef0123456789abcdef")
  }\r\nAUTH PLAIN\r\n*\r\nQUIT\r\n`,
  `EHLO c\r\nSTARTTLS\r\n\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 EHLO d\r\nQUIT\r\n`,
  "DATA\r\nBDAT 5 LAST\r\nhelloXCLIENT ADDR=1\r\nETRN x\r\n\r\nEXPN y\r\nRCPT TO:<x>\r\nQUIT\r\n",
  "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\nEHLO c\r\nQUIT\r\n",
  "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x19\x12\x67\0\x19EHLO c\r\nQUIT\r\n",
];

Deno.test("mutated clients get replies and a clean end", async () => {
  await using sink = new SmtpSink({ capabilities: ["XCLIENT NAME ADDR", "PIPELINING"] });
  await withEdge({
    callout: (request) => request.header("Auth-User") === "mallory" ? refused("No") : accepted(sink.port),
    mail: () => ({ ...UNHURRIED, smtp_reject_unauth_pipelining: "off" }),
    servers: (files) => [
      { smtp_auth: ["plain", "login", "cram-md5", "xoauth2", "oauthbearer", "none"] },
      { ...files.server(), starttls: "on", smtp_auth: ["plain", "none"], xclient: "off" },
      { listen: "127.0.0.1:0 proxy_protocol", set_real_ip_from: "127.0.0.1", smtp_auth: ["login", "none"] },
      {
        smtp_greeting_delay: "20ms",
        smtp_client_buffer: 512,
        max_errors: 2,
        smtp_reject_unauth_pipelining: "on",
      },
    ],
  }, async (edge) => {
    await runDialogues(6_000, async (choices) => {
      await using client = await DialogueClient.connect({ port: edge.postern.port(choices.below(4)) });
      const said = mutate(choices.one(DIALOGUES), choices);
      await sendAll(client, segments(said, choices));
      if (choices.onceIn(10)) return; // a client that leaves without reading
      const { text, ending } = await client.readToEnd();
      assert.match(text.replace(ALERT, "220 2.0.0 Start TLS\r\n"), REPLIES, client.transcript);
      assert.equal(ending, "end", client.transcript);
    });
    assert.ok(sink.messages.length > 300, "many of the dialogues get as far as a message");
    await assertHealthy(edge);
  });
});

Deno.test("mutated TLS handshakes end in a clean close", async () => {
  const hello = await captureClientHello();
  await withEdge({
    callout: () => refused("No"),
    mail: () => UNHURRIED,
    servers: (
      files,
    ) => [{ smtp_auth: "plain" }, { ...files.server(), ssl: "on" }, { ...files.server(), starttls: "only" }],
  }, async (edge) => {
    await runDialogues(2_000, async (choices) => {
      const starttls = choices.onceIn(2);
      await using client = await DialogueClient.connect({ port: edge.postern.port(starttls ? 2 : 1) });
      if (starttls) {
        await client.expect(/^220 /);
        await client.command("STARTTLS", /^220 /);
      }
      await sendAll(client, segments(mutate(hello, choices), choices));
      assert.equal((await client.readToEnd()).ending, "end", client.transcript);
    });
    await assertHealthy(edge);
  });
});

/** The first flight of a real TLS client. */
async function captureClientHello(): Promise<string> {
  const captured = Promise.withResolvers<string>();
  await using server = new PeerServer(async (stream) => {
    captured.resolve(String.fromCharCode(...await stream.read() ?? []));
  });
  const plain = await connectPlain({ port: server.port });
  const handshake = assert.rejects(TlsStream.connect(plain, { serverName: "mail.test" }));
  const hello = await captured.promise;
  await handshake;
  return hello;
}

// The lines that say where to connect stay as they are: a mutated one might name a host outside.
const HEADS = ["HTTP/1.1 200 OK\r\nDate: x\r\nAuth-Status: OK\r\n", "HTTP/1.0 200 OK\nAuth-Status: OK\n"];
const TAILS = [
  "Auth-User: bob\r\nAuth-Pass: x\r\nContent-Length: 5\r\n\r\nhello",
  "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "Auth-Upstream-XCLIENT: nginx\r\nAuth-Upstream-Proxy-Protocol: off\r\nContent-Length: 0\r\n\r\n",
  "\r\n",
];
const REFUSALS = [
  "HTTP/1.1 200 OK\r\nAuth-Status: No such user\r\nAuth-Wait: 0\r\nAuth-Error-Code: 550 5.7.8\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 200 OK\r\nAuth-Status: Expired\r\nAuth-Error-SASL: eyJ9\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
];

Deno.test("mutated auth services give the client one whole reply", async () => {
  await using sink = new SmtpSink();
  const answers = new Map<string, CalloutAnswer>();
  await withEdge({
    callout: (request) => answers.get(request.header("Auth-User") ?? "") ?? { raw: "", close: true },
    mail: () => ({ ...SHORT, xclient: "off" }),
  }, async (edge) => {
    await runDialogues(3_000, async (choices, index) => {
      const where = `Auth-Server: 127.0.0.1\r\nAuth-Port: ${sink.port}\r\n`;
      const [head, tail] = [choices.one(HEADS), choices.one(TAILS)];
      const raw = choices.one([
        () => mutate(choices.one(REFUSALS), choices),
        () => mutate(head, choices) + where + tail,
        () => head + where + mutate(tail, choices),
      ])();
      answers.set(`user${index}`, choices.onceIn(2) ? { raw, close: true } : raw);
      await using client = await edge.connect(0, { greeting: false });
      await sendAll(client, [`AUTH PLAIN ${btoa(`\0user${index}\0secret`)}\r\nQUIT\r\n`]);
      await client.expect(/^220 /);
      const { text, ending } = await client.readToEnd();
      assert.match(text, /^[2-5]\d\d[ -]/, JSON.stringify(raw));
      assert.match(text, REPLIES, JSON.stringify(raw));
      assert.equal(ending, "end", JSON.stringify(raw));
    });
    assert.ok(sink.sessions.length > 300, "many of the answers are good enough for a login");
    await assertHealthy(edge);
  });
});

const UPSTREAM_REPLIES: readonly (readonly string[])[] = [
  ["220 mx.test ESMTP\r\n"],
  [
    "250-mx.test\r\n250-XCLIENT NAME ADDR LOGIN\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n",
    "250 mx.test\r\n",
  ],
  ["220 mx.test again\r\n", "250 2.0.0 Ok\r\n", "550 5.7.0 no\r\n"],
  ["250-mx.test\r\n250 AUTH PLAIN\r\n"],
  ["235 2.7.0 in\r\n", "334 VXNlcm5hbWU6\r\n", "535 5.7.8 out\r\n"],
  ["250 2.1.0 Ok\r\n"],
  ["221 2.0.0 Bye\r\n"],
];

/** Whole replies to EHLO and, with an envelope, to MAIL, and what AUTH or RCPT came to. */
const ANSWERED_LOGIN = /^220 [^\r\n]*\r\n(?:250-[^\r\n]*\r\n)*250 [^\r\n]*\r\n[2-5]\d\d[ -]/;
const ANSWERED_ENVELOPE =
  /^220 [^\r\n]*\r\n(?:250-[^\r\n]*\r\n)*250 [^\r\n]*\r\n250 2\.0\.0 OK\r\n[2-5]\d\d[ -]/;

Deno.test("mutated mail servers give the client a whole reply before anything is relayed", async () => {
  await using upstream = new ScriptedUpstream(async (peer, index) => {
    const choices = new Choices(SEED + index * 104_729);
    try {
      for (const replies of UPSTREAM_REPLIES) {
        const reply = choices.one(replies);
        const said = choices.onceIn(3) ? mutate(reply, choices) : reply;
        for (const part of segments(said, choices)) await peer.send(part);
        if (choices.onceIn(12) || !await peer.waitForOctets()) return;
        await peer.readLine();
      }
    } catch {
      // The proxy has closed: that is one of the ways in which this may end.
    }
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    // It bounds each answer of a mail server too.
    mail: () => ({ ...SHORT, timeout: "500ms" }),
    servers: () => [
      { xclient: "off" },
      { xclient: "on", proxy_smtp_auth: "on", proxy_pass_error_message: "on" },
      { xclient: "nginx", smtp_auth: "none", smtp_reject_unauth_pipelining: "off" },
    ],
  }, async (edge) => {
    let answered = 0;
    await runDialogues(1_500, async (choices) => {
      const index = choices.below(3);
      await using client = await edge.connect(index, { greeting: false });
      const login = index === 2
        ? "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
        : `AUTH PLAIN ${LOGIN}\r\n`;
      await sendAll(client, [`EHLO client.example\r\n${login}QUIT\r\n`]);
      // What follows a success comes from the mail server as it is.
      const { text, ending } = await client.readToEnd();
      assert.equal(ending, "end", client.transcript);
      if ((index === 2 ? ANSWERED_ENVELOPE : ANSWERED_LOGIN).test(text)) answered++;
      // On a busy machine the time may be over while a reply is written, and nothing is said behind half of one.
      else assert.match(text, REPLIES, client.transcript);
    });
    assert.ok(answered > 1_000, `clients have their answer: ${answered}`);
    const relays = edge.postern.log.filter(({ outcome }) => String(outcome).startsWith("relay"));
    assert.ok(relays.length > 300, `many of the mail servers are good enough for a relay: ${relays.length}`);
    await assertHealthy(edge);
  });
});
