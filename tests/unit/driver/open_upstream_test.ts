import assert from "node:assert/strict";
import type { ServerSettings } from "../../../src/config/settings.ts";
import { accepted, type Bench, type BenchOptions, withBench } from "./bench.ts";
import { CLIENT_HELLO, type Peer, SERVER_HELLO } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const INTERNAL_ERROR = "451 4.3.2 Internal server error\r\n";

interface Failure {
  readonly name: string;
  readonly options?: BenchOptions;
  readonly settings?: Partial<ServerSettings>;
  /** What the mail server does; null where none is reached. */
  readonly server: ((upstream: Peer, bench: Bench) => Promise<void>) | null;
  readonly before?: (bench: Bench) => void;
  readonly code: string;
  readonly stage: string;
  readonly heard?: string;
}

const CONNECTING = "connecting to upstream";
const GREETED = "reading response from upstream";
const HELLO = "sending HELO/EHLO to upstream";
const TLS = "SSL handshaking to upstream";
const AUTH = "sending AUTH to upstream";

async function ehlo(upstream: Peer, reply: string): Promise<void> {
  await upstream.send("220 hi\r\n");
  await upstream.expect("EHLO mx.test\r\n");
  await upstream.send(reply);
}

async function wait(bench: Bench, ms: number): Promise<void> {
  await bench.clock.armedFor(ms);
  bench.clock.advance(ms);
}

const LOGIN = btoa("\0ada\0hunter22");

const FAILURES: readonly Failure[] = [
  {
    name: "is not there",
    server: null,
    before: (bench) => bench.dialFails = true,
    code: "refused",
    stage: CONNECTING,
  },
  {
    name: "does not answer",
    settings: { proxy_connect_timeout: 3_000 },
    server: (_upstream, bench) => wait(bench, 3_000),
    before: (bench) => bench.dialHangs = true,
    code: "timeout",
    stage: CONNECTING,
  },
  {
    name: "does not greet",
    settings: { timeout: 8_000 },
    server: (_upstream, bench) => wait(bench, 8_000),
    code: "timeout",
    stage: GREETED,
  },
  {
    name: "answers EHLO one octet at a time, for longer than timeout",
    settings: { timeout: 8_000 },
    server: async (upstream, bench) => {
      await upstream.send("220 hi\r\n");
      await upstream.expect("EHLO mx.test\r\n");
      for (const octet of "250-a\r\n2") {
        bench.clock.advance(1_000);
        await upstream.send(octet).catch(() => {});
      }
    },
    code: "timeout",
    stage: HELLO,
  },
  { name: "hangs up", server: (up) => up.transport.closeWrite(), code: "closed", stage: GREETED },
  { name: "is lost", server: (up) => Promise.resolve(up.transport.cut()), code: "reset", stage: GREETED },
  { name: "greets with 421", server: (up) => up.send("421 no\r\n"), code: "refused", stage: GREETED },
  { name: "speaks HTTP", server: (up) => up.send("HTTP/1.1 400 Bad\r\n"), code: "malformed", stage: GREETED },
  { name: "ends lines with LF", server: (up) => up.send("220 hi\n"), code: "malformed", stage: GREETED },
  {
    name: "never ends its reply",
    settings: { proxy_buffer: 512 },
    server: (up) => up.send("220-hi\r\n".repeat(100)),
    code: "too_long",
    stage: GREETED,
  },
  {
    name: "does not offer STARTTLS",
    settings: { proxy_ssl: "starttls" },
    server: (up) => ehlo(up, "250 hi\r\n"),
    code: "starttls_not_offered",
    stage: HELLO,
  },
  {
    name: "sends more behind its 220 to STARTTLS",
    settings: { proxy_ssl: "starttls" },
    server: async (up) => {
      await ehlo(up, "250-hi\r\n250 STARTTLS\r\n");
      await up.expect("STARTTLS\r\n");
      await up.send("220 go\r\n250 injected\r\n");
      await up.expectEnd();
    },
    code: "plaintext_after_starttls",
    stage: "sending STARTTLS to upstream",
  },
  {
    name: "has the wrong certificate",
    options: { upstreamTls: "refused" },
    settings: { proxy_ssl: "on" },
    server: (up) => up.expectEnd(),
    code: "certificate",
    stage: TLS,
  },
  {
    name: "is asked for AUTH over the network in clear",
    settings: { proxy_smtp_auth: true },
    server: async (up) => {
      await ehlo(up, "250-hi\r\n250 AUTH PLAIN\r\n");
      await up.expectEnd();
    },
    code: "plaintext_auth",
    stage: HELLO,
  },
  {
    name: "offers no AUTH that is known",
    settings: { proxy_smtp_auth: true, proxy_smtp_auth_plaintext: true },
    server: (up) => ehlo(up, "250-hi\r\n250 AUTH GSSAPI\r\n"),
    code: "auth_not_offered",
    stage: HELLO,
  },
  {
    name: "refuses the login, with proxy_pass_error_message",
    settings: { proxy_smtp_auth: true, proxy_smtp_auth_plaintext: true, proxy_pass_error_message: true },
    server: async (up) => {
      await ehlo(up, "250-hi\r\n250 AUTH PLAIN\r\n");
      await up.expect(`AUTH PLAIN ${LOGIN}\r\n`);
      await up.send("535-5.7.8 no\r\n535 5.7.8 never\r\n");
    },
    code: "refused",
    stage: AUTH,
    heard: "535-5.7.8 no\r\n535 5.7.8 never\r\n",
  },
  {
    name: "quotes the login in its refusal",
    settings: { proxy_smtp_auth: true, proxy_smtp_auth_plaintext: true, proxy_pass_error_message: true },
    server: async (up) => {
      await ehlo(up, "250-hi\r\n250 AUTH PLAIN\r\n");
      await up.expect(`AUTH PLAIN ${LOGIN}\r\n`);
      await up.send(`500 5.5.1 Command unrecognized: "AUTH PLAIN ${LOGIN}"\r\n`);
    },
    code: "refused",
    stage: AUTH,
  },
  {
    name: "quotes the password without being a mail server",
    settings: { proxy_smtp_auth: true, proxy_smtp_auth_plaintext: true },
    server: async (up) => {
      await ehlo(up, "250-hi\r\n250 AUTH LOGIN\r\n");
      await up.expect("AUTH LOGIN\r\n");
      await up.send("334 user\r\n");
      await up.expect(`${btoa("ada")}\r\n`);
      await up.send("334 password\r\n");
      await up.expect(`${btoa("hunter22")}\r\n`);
      await up.send(`sh: ${btoa("hunter22")}: not found\r\n`);
    },
    code: "malformed",
    stage: AUTH,
  },
];

for (const { name, options, settings, server, before, code, stage, heard } of FAILURES) {
  Deno.test(`a mail server that ${name} is told to the client and to the log: ${code}`, async () => {
    await withBench({ ...options, settings: { ...settings } }, async (bench) => {
      before?.(bench);
      await bench.client.expect(GREETING);
      await bench.client.send(`AUTH PLAIN ${LOGIN}\r\n`);
      (await bench.asked()).answer(accepted());
      if (bench.dialHangs) await server!(bench.client, bench);
      else if (server !== null) await server(await bench.upstream(), bench);
      await bench.client.expect(heard ?? INTERNAL_ERROR);
      await bench.client.expectEnd();
      bench.client.transport.close();
      assert.equal(await bench.outcome(), "upstream_failed");
      assert.deepEqual(bench.counted.filter((line) => line.startsWith("upstream")), [
        `upstream false ${stage}`,
      ]);
      const line = bench.log.find(({ event }) => event === "upstream_failed")!.text;
      assert.equal(line.includes(`"code":"${code}"`) && line.includes(`"stage":"${stage}"`), true, line);
      const text = bench.log.map((line) => line.text).join("\n");
      for (const secret of ["hunter22", LOGIN, btoa("hunter22")]) assert.equal(text.includes(secret), false);
    });
  });
}

Deno.test("STARTTLS to the mail server begins anew inside TLS", async () => {
  await withBench({ settings: { proxy_ssl: "starttls", proxy_smtp_auth: true } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${LOGIN}\r\n`);
    (await bench.asked()).answer(accepted());
    const upstream = await bench.upstream();
    await ehlo(upstream, "250-hi\r\n250-AUTH LOGIN\r\n250 STARTTLS\r\n");
    await upstream.expect("STARTTLS\r\n");
    await upstream.send("220 go\r\n");
    await upstream.expect(CLIENT_HELLO);
    await upstream.send(SERVER_HELLO);
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250-hi\r\n250 AUTH PLAIN\r\n");
    await upstream.expect(`AUTH PLAIN ${LOGIN}\r\n`);
    await upstream.send("235 ok\r\n");
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.equal(bench.counted.includes("tls upstream true"), true);
  });
});

Deno.test("replies sent before their commands answer nothing", async () => {
  await withBench({ settings: { smtp_auth: ["none"] } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("HELO a\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\n");
    await bench.client.expect("250 mx.test\r\n250 2.0.0 OK\r\n");
    (await bench.asked()).answer(accepted());
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n250 a\r\n250 b\r\n250 c\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250 hi\r\n");
    await upstream.expect("MAIL FROM:<a>\r\n");
    await upstream.send("250 ok\r\n");
    await upstream.expect("RCPT TO:<b>\r\n");
    await upstream.send("550 no\r\n");
    await bench.client.expect("550 no\r\n");
  });
});

Deno.test("the PROXY header comes before all else", async () => {
  await withBench({ settings: { proxy_protocol: "v1" } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${LOGIN}\r\n`);
    (await bench.asked()).answer(accepted());
    await (await bench.upstream()).expect("PROXY TCP4 192.0.2.1 192.0.2.2 40000 25\r\n");
  });
});
