/**
 * Vulnerabilities that were published of proxies and servers that do what Postern does: each as a test with its name.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ScriptedNames } from "../conformance/scripted_names.ts";
import type { DialogueClient } from "../support/dialogue_client.ts";
import { testCertificates } from "../support/certificates.ts";
import { type Edge, withEdge } from "../support/edge.ts";
import { residentKiB } from "../support/process_facts.ts";
import { accepted, type CalloutAnswer, type CalloutRequest, refused } from "../support/scripted_callout.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const INTERNAL_ERROR = "451 4.3.2 Internal server error";

/** Signs in as `user` and goes. */
async function signsIn({ connect }: Pick<Edge, "connect">, user = "alice"): Promise<void> {
  await using client = await connect();
  await client.authPlain(user, "secret");
  await client.command("QUIT", /^221 /);
}

/** Refuses `mallory` for a moment, and lets everybody else in. */
function allButMallory(port: number): (request: CalloutRequest) => CalloutAnswer {
  return (request) =>
    request.header("Auth-User") === "mallory" ? refused("No", "Auth-Wait: 1") : accepted(port);
}

// Between clear text and TLS ---------------------------------------------------------------------------------------

const INJECTED = [
  "NOOP\r\n",
  "EHLO injected\r\n",
  "RSET\r\nNOOP\r\n",
  "MAIL FROM:<inj",
  "AUTH PLAIN\r\n",
  "\r\n\r\n",
  "NOOP\n",
  "\0",
];

Deno.test("CVE-2011-0411, CVE-2014-3556, CVE-2021-33515: what stands in clear behind STARTTLS is never executed", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    servers: (files) => [{ ...files.server(), starttls: "on" }],
  }, async ({ connect, files, postern }) => {
    for (const [at, injected] of INJECTED.entries()) {
      await using client = await connect();
      await client.command("EHLO client.example", /STARTTLS/);
      await client.send(`STARTTLS\r\n${injected}`);
      await client.expect("220 2.0.0 Start TLS");
      await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      // One reply to one command: a second one would be the answer to QUIT.
      await client.command("NOOP", "250 2.0.0 OK");
      await client.quit();
      await postern.event("starttls_injection", ({ conn }) => conn === at + 1);
    }
    await using late = await connect();
    await late.command("STARTTLS", "220 2.0.0 Start TLS");
    await late.send("NOOP\r\n");
    const { text } = await late.readToEnd();
    assert.equal(text, "\x15\x03\x03\0\x02\x02\x0a", "in place of a handshake: a fatal alert, no reply");
  });
});

/** Mail servers that would have Postern go on in clear; each with the code that the log has for it. */
const STRIPPED: Readonly<Record<string, readonly [string, (peer: UpstreamDialogue) => Promise<unknown>]>> = {
  "not offered": ["starttls_not_offered", (peer) => peer.answer(/^EHLO /, "250-mx.test", "250 AUTH PLAIN")],
  "EHLO refused, HELO taken": ["refused", (peer) => peer.answer(/^EHLO /, "502 5.5.1 HELO only")],
  "EHLO refused for now": ["refused", (peer) => peer.answer(/^EHLO /, "421 4.3.2 later")],
  ...Object.fromEntries(
    [250, 334, 354, 421, 454, 500, 501, 502, 503, 504, 530, 550, 554].map((code) => [
      `STARTTLS answered ${code}`,
      ["refused", async (peer: UpstreamDialogue) => {
        await peer.answer(/^EHLO /, "250-mx.test", "250-AUTH PLAIN", "250 STARTTLS");
        await peer.answer("STARTTLS", `${code} whatever`);
      }],
    ]),
  ),
  "a response behind the 220": ["plaintext_after_starttls", async (peer) => {
    await peer.answer(/^EHLO /, "250-mx.test", "250 STARTTLS");
    await peer.answer("STARTTLS", "220 go", "250-mx.test", "250 AUTH PLAIN");
  }],
  "a line that begins behind the 220": ["plaintext_after_starttls", async (peer) => {
    await peer.answer(/^EHLO /, "250-mx.test", "250 STARTTLS");
    await peer.expect("STARTTLS");
    await peer.send("220 go\r\n2");
  }],
  "a response before its STARTTLS": ["tls", async (peer) => {
    await peer.answer(/^EHLO /, "250-mx.test", "250 STARTTLS", "220 go");
    await peer.answer("STARTTLS", "220 go");
    await peer.readUntil("\x01"); // of the ClientHello
    await peer.reply("250-mx.test", "250 AUTH PLAIN");
  }],
};

Deno.test("NO STARTTLS (2021): no mail server talks Postern out of TLS with proxy_ssl starttls, nor is heard in clear behind it", async () => {
  const names = Object.keys(STRIPPED);
  await using upstream = new ScriptedUpstream(async (peer, index) => {
    await peer.reply("220 mx.test ESMTP");
    await STRIPPED[names[index]!]![1](peer);
    // Neither credentials nor mail, whatever follows; a ClientHello is no SMTP.
    const { text } = await peer.readToEnd();
    assert.doesNotMatch(text, /AUTH|MAIL|HELO|XCLIENT/, names[index]);
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: (files) => [{
      proxy_smtp_auth: "on",
      proxy_smtp_auth_plaintext: "on",
      proxy_ssl: "starttls",
      proxy_ssl_name: "mx.test",
      proxy_ssl_trusted_certificate: files.root,
      proxy_next_upstream: "off",
    }],
  }, async ({ connect, postern }) => {
    for (const name of names) {
      await using client = await connect();
      await client.authPlain(name, "secret", INTERNAL_ERROR);
      await client.expectEnd();
      const line = await postern.event("upstream_failed", ({ login }) => login === name);
      assert.equal(line["code"], STRIPPED[name]![0], `${name}: ${line.msg}`);
    }
  });
});

Deno.test("NO STARTTLS (2021): what a mail server announced in clear is forgotten in TLS", async () => {
  const { server } = await testCertificates();
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test ESMTP");
    await peer.answer(
      /^EHLO /,
      "250-mx.test",
      "250-AUTH PLAIN",
      "250-XCLIENT NAME ADDR LOGIN",
      "250 STARTTLS",
    );
    await peer.answer("STARTTLS", "220 go");
    await peer.acceptTls(server);
    await peer.answer(/^EHLO /, "250 mx.test");
    assert.equal((await peer.readToEnd()).text, "", "neither XCLIENT nor AUTH");
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: (files) => [{
      proxy_smtp_auth: "on",
      proxy_ssl: "starttls",
      proxy_ssl_name: "mx.test",
      proxy_ssl_trusted_certificate: files.root,
    }],
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", INTERNAL_ERROR);
    await client.expectEnd();
    assert.equal((await postern.event("upstream_failed"))["code"], "auth_not_offered");
  });
});

Deno.test("CVE-2026-1642: what a mail server says before TLS from the first octet is fatal", async () => {
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test", "250-mx.test", "250 AUTH PLAIN", "235 ok");
    const { text } = await peer.readToEnd();
    assert.doesNotMatch(text, /EHLO|AUTH/);
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: (files) => [{
      proxy_smtp_auth: "on",
      proxy_ssl: "on",
      proxy_ssl_name: "mx.test",
      proxy_ssl_trusted_certificate: files.root,
    }],
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", INTERNAL_ERROR);
    await client.expectEnd();
    assert.equal((await postern.event("upstream_failed"))["code"], "tls");
  });
});

Deno.test("ALPACA (2021): a handshake for another protocol is refused, at both kinds of TLS", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    servers: (files) => [{ ...files.server(), starttls: "on" }, { ...files.server(), ssl: "on" }],
  }, async ({ connect, files }) => {
    const options = { authorities: files.made.root.certificate, serverName: "mail.test" };
    for (const implicit of [false, true]) {
      for (
        const alpn of [["h2"], ["http/1.1", "h2"], ["ftp"], ["imap", "pop3"], ["http/1.1", "smtp"], ["smtp"]]
      ) {
        await using client = await connect(implicit ? 1 : 0, implicit ? { greeting: false } : {});
        if (!implicit) await client.command("STARTTLS", /^220 /);
        if (!alpn.includes("smtp")) {
          await assert.rejects(
            client.startTls({ ...options, alpn }),
            /NoApplicationProtocol/,
          );
          continue;
        }
        await client.startTls({ ...options, alpn });
        if (implicit) await client.expect(/^220 /);
        await client.quit();
      }
    }
  });
});

// Logins -----------------------------------------------------------------------------------------------------------

Deno.test("CVE-2025-53859: no credentials of a failed login are in the question of method none", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: allButMallory(sink.port),
    servers: () => [{ smtp_auth: ["none", "plain", "login"], xclient: "off" }],
  }, async ({ connect, callout }) => {
    await using client = await connect();
    await client.command("EHLO client.example", /^250/);
    await client.authPlain("mallory", "stray-secret-4711", /^535 /);
    await client.command(`AUTH LOGIN ${btoa("mallory")}`, /^334 /);
    await client.command("*", /^501 /);
    await client.command(`AUTH PLAIN ${btoa("\0stray-secret-4711")}`, /^501 /);
    await client.command(`AUTH PLAIN ${btoa("stray-secret-4711")}`, /^501 /);
    await client.command("MAIL FROM:<a@example.test>", /^250 /);
    await client.command("RCPT TO:<b@example.test>", /^250 /);
    await client.quit();
    const request = callout.requests.at(-1)!;
    assert.equal(request.header("Auth-Method"), "none");
    assert.deepEqual([request.header("Auth-User"), request.header("Auth-Pass")], ["", ""]);
    assert.doesNotMatch(request.raw, /stray-secret-4711|mallory/);
  });
});

Deno.test("CVE-2026-27651: another attempt after a refusal works, with every mechanism", async () => {
  await using sink = new SmtpSink();
  let asked = 0;
  const bearer = (user: string) => btoa(`n,a=${user},\x01auth=Bearer tok\x01\x01`);
  const xoauth2 = (user: string) => btoa(`user=${user}\x01auth=Bearer tok\x01\x01`);
  const mechanisms: readonly ((client: DialogueClient, reply: RegExp) => Promise<unknown>)[] = [
    (client, reply) => client.authPlain("alice", "secret", reply),
    (client, reply) => client.authLogin("alice", "secret", reply),
    (client, reply) => client.authCramMd5("alice", "secret", reply),
    (client, reply) => client.command(`AUTH XOAUTH2 ${xoauth2("alice")}`, reply),
    (client, reply) => client.command(`AUTH OAUTHBEARER ${bearer("alice")}`, reply),
  ];
  await withEdge({
    callout: () => asked++ % 2 === 0 ? refused("No", "Auth-Wait: 1") : accepted(sink.port),
    servers: () => [{ smtp_auth: ["plain", "login", "cram-md5", "xoauth2", "oauthbearer"] }],
  }, async ({ connect }) => {
    for (const attempt of mechanisms) {
      await using client = await connect();
      await attempt(client, /^535 /);
      await attempt(client, /^235 /);
      await client.quit();
    }
  });
});

Deno.test("CVE-2019-11494, CVE-2019-11499: a client that leaves in AUTH, and odd arguments of AUTH, disturb nobody", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: allButMallory(sink.port),
    servers: () => [{ smtp_auth: ["plain", "login", "cram-md5", "xoauth2"], max_errors: 100 }],
  }, async (edge) => {
    const begun = [
      "AUTH",
      "AUTH PLAIN\r\n",
      "AUTH LOGIN\r\n",
      `AUTH LOGIN\r\n${btoa("a")}\r\n`,
      "AUTH CRAM-MD5\r\n",
    ];
    for (const octets of [...begun, "AUTH XOAUTH2\r\nYQ", `AUTH PLAIN ${btoa("\0alice\0secret")}\r\n`]) {
      await using client = await edge.connect();
      await client.send(octets);
    }
    await using client = await edge.connect();
    const odd = [
      "AUTH",
      "AUTH ",
      "AUTH \x80\xff",
      "AUTH PLAIN \xff\xfe",
      "AUTH PLAIN = = =",
      "AUTH =",
      "AUTH \0",
      "AUTH PLAIN \0",
    ];
    for (const line of odd) await client.command(line, /^50[0-4] 5\.5\.\d /);
    await client.command(`AUTH PLAIN ${btoa("\0mallory\xff\0\xfe")}`, /^235 /);
    await signsIn(edge);
  });
});

Deno.test("CVE-2020-7046: UTF-8 that ends too early has one reply, in every argument", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: (request) =>
      request.header("Auth-User") === "alice" ? accepted(sink.port) : refused("No", "Auth-Wait: 1"),
    servers: () => [{ smtp_auth: ["plain", "login", "none"], max_errors: 100, xclient: "off" }],
  }, async (edge) => {
    for (const cut of ["\xc3", "\xe2\x82", "\xf0\x9f\x98"]) {
      await using client = await edge.connect();
      const lines = [
        `EHLO ${cut}`,
        `HELO ${cut}`,
        `NOOP ${cut}`,
        `AUTH ${cut}`,
        `AUTH PLAIN ${cut}`,
        `${cut}`.repeat(1) + "X",
      ];
      for (const line of lines.slice(0, -1)) await client.command(line, /^\d{3}[ -]/);
      await client.command(`AUTH PLAIN ${btoa(`${cut}\0${cut}\0${cut}`)}`, "535 5.7.0 No");
      await client.command(`AUTH LOGIN ${btoa(cut)}`, /^334 /);
      await client.command(btoa(cut), "535 5.7.0 No");
      await client.command(`MAIL FROM:<${cut}`, /^250 /);
      await client.command(`RCPT TO:<${cut}`, "535 5.7.0 No");
      await client.command("NOOP", "250 2.0.0 OK");
      await client.quit();
    }
    await signsIn(edge);
  });
});

Deno.test("CVE-2025-59028: bad base64 of one client does not touch the logins of others", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    servers: () => [{}],
  }, async (edge) => {
    await Promise.all(Array.from({ length: 20 }, async (_, index) => {
      if (index % 2 === 0) return await signsIn(edge, `user${index}`);
      await using client = await edge.connect();
      for (const bad of ["!!!", "A", "====", "AGE=AGE", "*"]) {
        await client.command(`AUTH PLAIN ${bad}`, /^501 5\.5\.2 /);
      }
      await client.command("AUTH LOGIN", /^334 /);
      await client.command("\x80", /^501 5\.5\.2 /);
      await client.authPlain(`user${index}`, "secret");
      await client.command("QUIT", /^221 /);
    }));
    assert.deepEqual(
      edge.callout.requests.map((request) => request.header("Auth-User")).sort(),
      Array.from({ length: 20 }, (_, index) => `user${index}`).sort(),
    );
  });
});

Deno.test({
  name: "CVE-2017-15132: logins that are given up leave nothing in memory",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withEdge({
      callout: () => refused("not reached"),
      mail: () => ({ worker_processes: 1, log: "stderr notice", access_log: "off" }),
    }, async (edge) => {
      const { postern } = edge;
      const perSession = 400;
      const lines = "AUTH PLAIN\r\n*\r\n".repeat(perSession);
      const giveUp = async (sessions: number) => {
        for (let i = 0; i < sessions; i++) {
          await using client = await edge.connect();
          await client.send(`${lines}QUIT\r\n`);
          const { text } = await client.readToEnd();
          assert.equal(text.match(/^501 5\.0\.0 /gm)?.length, perSession);
          await using leaver = await edge.connect();
          await leaver.send("AUTH LOGIN\r\nYQ==\r\n");
        }
      };
      await giveUp(50);
      const before = residentKiB(postern.pid);
      await giveUp(250);
      const grown = residentKiB(postern.pid) - before;
      // 100,000 exchanges: a kilobyte of each would be 98 MB. The collector of garbage takes its time.
      assert.ok(grown < 30_000, `${grown} KiB more after ${250 * perSession} logins that were given up`);
    });
  },
});

// What strangers have in their names -------------------------------------------------------------------------------

const LOGINS = [
  "' OR 1=1 --",
  "*)(uid=*",
  "a b",
  "a+b=c",
  "a%0d%0ab",
  "a\r\nAuth-Status: OK",
  "a\0b",
  "\xc3\xa9",
  '"\\',
];

Deno.test("CVE-2026-24031, CVE-2026-27860, CVE-2026-28753: a login is one header value of the callout and one attribute of XCLIENT", async () => {
  const said: string[] = [];
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test");
    await peer.answer(/^EHLO /, "250-mx.test", "250 XCLIENT NAME ADDR LOGIN HELO");
    said.push(await peer.answer(/^XCLIENT /, "220 mx.test"));
    await peer.answer(/^EHLO /, "250 mx.test");
    await peer.answer("QUIT", "221 bye");
  });
  await withEdge({ callout: () => accepted(upstream.port) }, async ({ connect, callout }) => {
    for (const login of LOGINS.filter((name) => !name.includes("\0"))) {
      await using client = await connect();
      await client.command("EHLO a=b+c", /^250/);
      await client.authPlain(login, "p w\r\nAuth-User: root");
      await client.quit();
      const request = callout.requests.at(-1)!;
      const header = request.header("Auth-User")!;
      assert.match(header, /^[\x21-\x7e\x80-\xff]*$/, login);
      assert.equal(unescape(header), login);
      assert.deepEqual(
        request.lines.filter((line) => /^Auth-(User|Status|Pass)/.test(line)).length,
        2,
        login,
      );
      const xclient = said.at(-1)!;
      assert.equal(xtextOf(xclient, "LOGIN"), login);
      assert.equal(xtextOf(xclient, "HELO"), "a=b+c");
      assert.match(xclient, /^XCLIENT( (NAME|ADDR|LOGIN|HELO)=[^ =]+)+$/);
    }
  });
});

/** Value of an XCLIENT attribute without xtext (RFC 3461 §4). */
function xtextOf(line: string, attribute: string): string {
  const value = new RegExp(` ${attribute}=(\\S*)`).exec(line)![1]!;
  return value.replace(/\+([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

Deno.test("CVE-2026-28753: a host name from the DNS adds no line to the callout and no attribute to XCLIENT", async () => {
  const hostile = ["a\r\nAuth-Status: OK.test", "a b.test", "a LOGIN=root.test", "a=b+c.test", "[evil].test"];
  const answers = hostile.flatMap((name, at) => [
    [`PTR ${at + 1}.2.0.192.in-addr.arpa`, name],
    [`A ${name.toLowerCase()}`, `192.0.2.${at + 1}`],
  ]);
  const names = new ScriptedNames(Object.fromEntries(answers));
  const said: string[] = [];
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test");
    await peer.answer(/^EHLO /, "250-mx.test", "250 XCLIENT NAME ADDR LOGIN");
    said.push(await peer.answer(/^XCLIENT /, "220 mx.test"));
    await peer.answer(/^EHLO /, "250 mx.test");
    await peer.answer("QUIT", "221 bye");
  });
  try {
    await withEdge({
      callout: () => accepted(upstream.port),
      servers: () => [{
        listen: "127.0.0.1:0 proxy_protocol",
        set_real_ip_from: "127.0.0.1",
        resolver: `127.0.0.1:${names.port} ipv6=off`,
      }],
    }, async ({ connect, callout }) => {
      for (const [at, name] of hostile.entries()) {
        const address = `192.0.2.${at + 1}`;
        await using client = await connect(0, { greeting: false });
        await client.send(`PROXY TCP4 ${address} 192.0.2.25 4711 25\r\n`);
        await client.expect(/^220 /);
        await client.authPlain("alice", "secret");
        await client.quit();
        const request = callout.requests.at(-1)!;
        assert.equal(request.header("Auth-Status"), null, name);
        assert.match(request.header("Client-Host")!, /^(\[[A-Z]+\]|[A-Za-z0-9._-]+)$/, name);
        assert.match(said.at(-1)!, new RegExp(`^XCLIENT NAME=[^ =]+ LOGIN=alice ADDR=${address}$`), name);
      }
    });
  } finally {
    await names.close();
  }
});

Deno.test("CVE-2020-10967: an empty quoted local part goes to the mail server as it came", async () => {
  const recipients = [
    'RCPT TO:<""@example.test>',
    'RCPT TO:<"\\"@example.test>',
    "RCPT TO:<@>",
    "RCPT TO:<>",
    'RCPT TO:"',
  ];
  await using upstream = new ScriptedUpstream(async (peer, index) => {
    await peer.reply("220 mx.test");
    await peer.answer(/^EHLO /, "250 mx.test");
    await peer.answer("MAIL FROM:<>", "250 ok");
    await peer.answer(recipients[index]!, "553 5.1.3 no");
    await peer.answer("QUIT", "221 bye");
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [{ smtp_auth: "none", xclient: "off" }],
  }, async ({ connect }) => {
    for (const recipient of recipients) {
      await using client = await connect();
      await client.command("MAIL FROM:<>", /^250 /);
      await client.command(recipient, "553 5.1.3 no");
      await client.quit();
    }
  });
});

// Mail servers -----------------------------------------------------------------------------------------------------

Deno.test("Dovecot's limit of lines: a reply without end is given up", async () => {
  const endless = async (peer: UpstreamDialogue) => {
    const lines = "250-x\r\n".repeat(10_000);
    try {
      for (;;) await peer.send(lines);
    } catch {
      // The proxy has closed, as it should.
    }
  };
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test");
    await peer.expect(/^EHLO /);
    await endless(peer);
  });
  await withEdge({
    callout: () => accepted(upstream.port),
    servers: () => [{ proxy_buffer: "1m" }],
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", INTERNAL_ERROR);
    await client.expectEnd();
    assert.equal((await postern.event("upstream_failed"))["code"], "too_long");
  });
});

Deno.test("Mailu issue 828: a mail server that refuses XCLIENT is a temporary failure, and the log says what it said", async () => {
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test");
    await peer.answer(/^EHLO /, "250-mx.test", "250 XCLIENT NAME ADDR");
    await peer.answer(/^XCLIENT /, "550 5.7.0 Error: insufficient authorization");
    await peer.readToEnd();
  });
  await withEdge({ callout: () => accepted(upstream.port) }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", INTERNAL_ERROR);
    await client.expectEnd();
    const line = await postern.event("upstream_failed");
    assert.equal(line["stage"], "sending XCLIENT to upstream");
    assert.match(line.msg, /550 5\.7\.0 Error: insufficient authorization/);
  });
});

// PROXY protocol ---------------------------------------------------------------------------------------------------

const HEADER = "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n";

Deno.test("PROXY forgery: a header from a stranger, a second one, one inside TLS, and none where one is needed", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    servers: (files) => [
      { listen: "127.0.0.1:0 proxy_protocol", set_real_ip_from: "127.0.0.1" },
      { listen: "127.0.0.1:0 proxy_protocol", set_real_ip_from: "192.0.2.0/24" },
      { listen: "127.0.0.1:0 proxy_protocol", set_real_ip_from: "127.0.0.1", ...files.server(), ssl: "on" },
      {},
    ],
  }, async ({ connect, files, callout }) => {
    await using twice = await connect(0, { greeting: false });
    await twice.send(HEADER + HEADER.replace("192.0.2.7", "127.0.0.1"));
    assert.deepEqual((await twice.readToEnd()).text, "220 mail.test ESMTP ready\r\n");
    await using stranger = await connect(1, { greeting: false });
    await stranger.send(HEADER);
    assert.equal((await stranger.readToEnd()).text, "");
    await using inside = await connect(2, { greeting: false });
    await inside.send(HEADER);
    await inside.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
    await inside.expect(/^220 /);
    await inside.send(HEADER);
    assert.equal((await inside.readToEnd()).text, "");
    await using missing = await connect(0, { greeting: false });
    await missing.send("EHLO client.example\r\n");
    assert.equal((await missing.readToEnd()).text, "");
    await using unasked = await connect(3);
    await unasked.send(HEADER);
    assert.equal((await unasked.readToEnd()).text, "");
    assert.equal(callout.requests.length, 0);
  });
});
