import assert from "node:assert/strict";
import type { AddressRange } from "../../../src/config/settings.ts";
import { decodeLatin1 } from "../../../src/bytes/latin1.ts";
import { formatProxyV2 } from "../../../src/grammar/proxy_header.ts";
import type { AuthAnswer } from "../../../src/ports/auth_backend.ts";
import type { CertificateVerdict } from "../../../src/ports/transport.ts";
import { accepted, type Bench, type BenchOptions, refused, withBench } from "./bench.ts";
import { CLIENT_HELLO, SERVER_HELLO } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const OK = "250 2.0.0 OK\r\n";
const INVALID = "500 5.5.1 Invalid command\r\n";
const INTERNAL_ERROR = "451 4.3.2 Internal server error\r\n";

/** Everything the client hears to the end, and how the session is counted. */
async function ending(bench: Bench): Promise<[string, string]> {
  const heard = await bench.client.rest();
  bench.client.transport.close();
  return [heard, await bench.outcome()];
}

const LOST = "421 4.4.2 mx.test Lost the connection to the mail server\r\n";

Deno.test("pipelined commands are answered in order and together", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("EHLO a\r\nNOOP\r\nVRFY x\r\nRSET\r\nQUIT\r\n");
    const answers = `250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n${OK}${INVALID}${OK}221 2.0.0 Bye\r\n`;
    const buffer = new Uint8Array(4_096);
    const count = await bench.client.transport.read(buffer);
    assert.equal(decodeLatin1(buffer, 0, count!), answers, "one write for all of them");
    assert.deepEqual(await ending(bench), ["", "quit"]);
    assert.deepEqual(bench.counted.filter((line) => line.startsWith("command")), [
      "command EHLO 250",
      "command NOOP 250",
      "command VRFY 500",
      "command RSET 250",
      "command QUIT 221",
    ]);
  });
});

Deno.test("replies to pipelined commands do not wait beyond 4096 octets, and none is lost", async () => {
  const smtp_capabilities = Array.from({ length: 60 }, (_, at) => `X-CAPABILITY-${at}`);
  await withBench({ settings: { smtp_capabilities } }, async (bench) => {
    await bench.client.expect(GREETING);
    const writes: number[] = [];
    const { near } = bench;
    const { write } = near;
    near.write = (bytes) => {
      writes.push(bytes.length);
      return write.call(near, bytes);
    };
    await bench.client.send("EHLO a\r\n".repeat(15) + "QUIT\r\n");
    const offered = ["mx.test", ...smtp_capabilities].map((name) => `250-${name}\r\n`).join("");
    const reply = `${offered}250 AUTH PLAIN LOGIN\r\n`;
    assert.deepEqual(await ending(bench), [reply.repeat(15) + "221 2.0.0 Bye\r\n", "quit"]);
    const most = 4_096 + reply.length;
    assert.ok(writes.every((octets) => octets <= most), `writes of ${writes.join(", ")} octets`);
    assert.ok(writes.length > 2, `${writes.length} writes`);
  });
});

Deno.test("octets that come one by one make the same commands", async () => {
  await withBench({ pair: { segment: 1 } }, async (bench) => {
    await bench.client.send("EHLO a\nNOOP\r\nQUIT\r\n");
    await bench.client.expect(`${GREETING}250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n${OK}221 2.0.0 Bye\r\n`);
    assert.deepEqual(await ending(bench), ["", "quit"]);
  });
});

Deno.test("what a client sends behind its login goes to the mail server, what that one says behind goes back", async () => {
  await withBench({ settings: { smtp_guard: false } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n`);
    (await bench.asked()).answer(accepted());
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250 hi\r\n250 early\r\n");
    await bench.client.expect("235 2.0.0 OK\r\n250 early\r\n");
    await upstream.expect("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    upstream.transport.close();
    assert.deepEqual(await ending(bench), ["", "relayed"]);
    assert.deepEqual(bench.counted.slice(1), [
      "auth plain accepted",
      "upstream true ready",
      "command AUTH 235",
      "relayed to_upstream 32",
      "relayed to_client 11",
      "closed relayed",
    ]);
  });
});

Deno.test("without a login MAIL and RCPT are replayed as typed, and RCPT's own reply comes back", async () => {
  await withBench({ settings: { smtp_auth: ["none"] } }, async (bench) => {
    await bench.client.send("HELO a\r\nmail From:<a@b>  SIZE=1 \r\nRCPT TO:<c\xff@d>\r\nDATA\r\n");
    await bench.client.expect(`${GREETING}250 mx.test\r\n${OK}`);
    const { question, answer } = await bench.asked();
    assert.deepEqual([question.method, question.user, question.secret, question.envelope], ["none", "", "", {
      helo: "a",
      mail: "mail From:<a@b>  SIZE=1",
      rcpt: "RCPT TO:<c\xff@d>",
    }]);
    answer(accepted());
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250 hi\r\n");
    await upstream.expect("mail From:<a@b>  SIZE=1\r\n");
    await upstream.send("250 ok\r\n");
    await upstream.expect("RCPT TO:<c\xff@d>\r\n");
    await upstream.send("550-5.1.1 no\r\n550 5.1.1 such user\r\n");
    await bench.client.expect("550-5.1.1 no\r\n550 5.1.1 such user\r\n");
    await upstream.expect("DATA\r\n");
    assert.ok(bench.counted.includes("count recipients refused"));
    upstream.transport.close();
    assert.deepEqual(await ending(bench), [LOST, "relay_lost"]);
  });
});

Deno.test("no CR, LF or NUL of a client makes another line at the mail server or in the question", async () => {
  const lines = ["MAIL FROM:<a>\rRCPT TO:<b>", "MAIL FROM:<a>\r\r", "\rMAIL FROM:<a>", "MAIL\r FROM:<a>"];
  await withBench({ settings: { smtp_auth: ["none"], max_errors: 100, smtp_nul: "pass" } }, async (bench) => {
    await bench.client.expect(GREETING);
    for (const line of lines) {
      await bench.client.send(`${line}\r\n`);
      await bench.client.expect(INVALID);
    }
    await bench.client.send("MAIL FROM:<\0>\nRCPT TO:<\0>\r\n");
    await bench.client.expect(OK);
    const { question } = await bench.asked();
    assert.deepEqual([question.envelope!.mail, question.envelope!.rcpt], ["MAIL FROM:<\0>", "RCPT TO:<\0>"]);
  });
});

Deno.test("an AUTH line may have 12288 octets where other lines have smtp_client_buffer", async () => {
  const secret = "s".repeat(9_000);
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    const line = `AUTH PLAIN ${btoa(`\0ada\0${secret}`)}`;
    assert.equal(line.length > 12_000 && line.length < 12_288, true);
    await bench.client.send(line + "\r\n");
    assert.equal((await bench.asked()).question.secret, secret);
  });
});

const TOO_LONG: readonly { name: string; send: string; heard: string }[] = [
  { name: "a line of 4096 octets without an end", send: "x".repeat(4_096), heard: INVALID },
  { name: "a long line with its end", send: "NOOP " + "x".repeat(5_000) + "\r\n", heard: INVALID },
  {
    name: "an AUTH line of more than 12288 octets",
    send: "AUTH PLAIN " + "x".repeat(12_280),
    heard: INVALID,
  },
  {
    name: "a response of more than 12288 octets",
    send: "AUTH PLAIN\r\n" + "x".repeat(12_290),
    heard: "334 \r\n500 5.5.6 Authentication exchange line is too long\r\n",
  },
];

for (const { name, send, heard } of TOO_LONG) {
  Deno.test(`${name} is answered and ends the session`, async () => {
    await withBench({}, async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send(send);
      assert.deepEqual(await ending(bench), [heard, "line_too_long"]);
    });
  });
}

Deno.test("a line of 4095 octets without an end is waited for", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("NOOP " + "x".repeat(4_090));
    await bench.client.transport.closeWrite();
    assert.deepEqual(await ending(bench), ["", "client_closed"]);
  });
});

Deno.test("octets without end of line do not hold the timeout off, nor do commands the session's", async () => {
  await withBench({ settings: { timeout: 60_000, session_timeout: 90_000 } }, async (bench) => {
    await bench.client.expect(GREETING);
    bench.clock.advance(50_000);
    await bench.client.send("NOOP\r\nNO");
    await bench.client.expect(OK);
    // 90 s - 50 s are left.
    await bench.clock.armedFor(40_000);
    bench.clock.advance(39_999);
    await bench.client.send("OP");
    bench.clock.advance(1);
    assert.deepEqual(await ending(bench), ["421 4.4.2 mx.test Timeout, closing connection\r\n", "timeout"]);
  });
});

// STARTTLS --------------------------------------------------------------------------------------------------------

Deno.test("STARTTLS throws away what was sent in clear behind it, and all that was known", async () => {
  await withBench({ settings: { starttls: "on", smtp_auth: ["none"] } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("EHLO plain\r\nMAIL FROM:<a>\r\nSTARTTLS\r\nRCPT TO:<injected>\r\nNOOP\r\n");
    await bench.client.expect(`250-mx.test\r\n250 STARTTLS\r\n${OK}220 2.0.0 Start TLS\r\n`);
    await bench.client.send(CLIENT_HELLO + "NOOP\r\nRCPT TO:<b>\r\nSTARTTLS\r\nQUIT\r\n");
    await bench.client.expect(SERVER_HELLO);
    await bench.client.expect(`${OK}503 5.5.1 Bad sequence of commands\r\n${INVALID}221 2.0.0 Bye\r\n`);
    assert.deepEqual(await ending(bench), ["", "quit"]);
    assert.equal(bench.counted.includes("tls client true"), true);
  });
});

Deno.test("a handshake that fails ends the session without a word", async () => {
  await withBench({ settings: { starttls: "on" } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("STARTTLS\r\n");
    await bench.client.expect("220 2.0.0 Start TLS\r\n");
    await bench.client.send("EHLO in clear\r\n");
    assert.deepEqual(await ending(bench), ["", "tls_failed"]);
    assert.deepEqual(bench.counted.filter((line) => line.startsWith("tls")), ["tls client false"]);
  });
});

Deno.test("starttls only: nothing that matters happens in clear", async () => {
  await withBench(
    { settings: { starttls: "only", smtp_auth: ["plain", "none"] } },
    async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send(`AUTH PLAIN ${btoa("\0a\0b")}\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\n`);
      const required = "530 5.7.0 Must issue a STARTTLS command first\r\n";
      await bench.client.expect(required + required + required);
    },
  );
});

// Greeting delay --------------------------------------------------------------------------------------------------

for (const proxyProtocol of [false, true]) {
  const how = proxyProtocol ? "in the packet of its PROXY header" : "before the greeting";
  Deno.test(`a client that talks ${how} is sent away`, async () => {
    await withBench({
      proxyProtocol,
      settings: { smtp_greeting_delay: 3_000, set_real_ip_from: [anyIpv4()] },
    }, async (bench) => {
      await bench.client.send((proxyProtocol ? PROXY_LINE : "") + "EHLO a\r\n");
      const heard = "503 5.5.0 Improper use of SMTP command pipelining\r\n";
      assert.deepEqual(await ending(bench), [heard, "early_talker"]);
    });
  });
}

Deno.test("a client that waits is greeted after the delay, and what it sends then is read", async () => {
  await withBench({ settings: { smtp_greeting_delay: 3_000 } }, async (bench) => {
    await bench.clock.armedFor(3_000);
    bench.clock.advance(3_000);
    await bench.client.expect(GREETING);
    await bench.client.send("NOOP\r\n");
    await bench.client.expect(OK);
    await bench.client.send("QUIT\r\n");
    assert.deepEqual(await ending(bench), ["221 2.0.0 Bye\r\n", "quit"]);
    assert.deepEqual(bench.counted.filter((line) => line.startsWith("command")), [
      "command NOOP 250",
      "command QUIT 221",
    ]);
  });
});

Deno.test("a client that leaves during the delay is gone without a word", async () => {
  await withBench({ settings: { smtp_greeting_delay: 3_000 } }, async (bench) => {
    await bench.client.transport.closeWrite();
    assert.deepEqual(await ending(bench), ["", "client_closed"]);
  });
});

// The callout -----------------------------------------------------------------------------------------------------

const ANSWERS: readonly { answer: AuthAnswer; heard: string; outcome: string; level: string }[] = [
  { answer: refused(), heard: "535 5.7.0 Bad creds\r\n", outcome: "refused", level: "info" },
  {
    answer: refused({ code: "454 4.7.0", text: "Later" }),
    heard: "454 4.7.0 Later\r\n",
    outcome: "refused",
    level: "info",
  },
  {
    answer: { kind: "failed", code: "timeout", reason: "expected an answer within 5 ms, got none" },
    heard: INTERNAL_ERROR,
    outcome: "auth_unavailable",
    level: "error",
  },
];

for (const { answer, heard, outcome, level } of ANSWERS) {
  Deno.test(`a callout that says ${JSON.stringify(answer)} ends the session with ${heard.trim()}`, async () => {
    await withBench({}, async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\nNOOP\r\n`);
      (await bench.asked()).answer(answer);
      assert.deepEqual(await ending(bench), [heard, outcome]);
      assert.deepEqual(bench.counted.slice(1), [
        `auth plain ${answer.kind}`,
        ...(answer.kind === "failed" ? [`count callout_failures ${answer.code}`] : []),
        `command AUTH ${heard.slice(0, 3)}`,
        `closed ${outcome}`,
      ]);
      assert.equal(bench.log.find(({ event }) => /^client_login_failed|auth_un/.test(event))?.level, level);
    });
  });
}

Deno.test("Auth-Wait delays the refusal, after which what was pipelined is read", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\nNOOP\r\n`);
    (await bench.asked()).answer(refused({ waitMs: 4_000 }));
    await bench.clock.armedFor(4_000);
    bench.clock.advance(4_000);
    await bench.client.expect(`535 5.7.0 Bad creds\r\n${OK}`);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0again")}\r\n`);
    const { question } = await bench.asked();
    assert.deepEqual([question.secret, question.attempt], ["again", 2]);
  });
});

Deno.test("a client that is gone while the callout is asked takes the 235 no more, and nothing is left", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    const { answer } = await bench.asked();
    bench.client.transport.cut();
    answer(refused());
    assert.equal(await bench.outcome(), "client_closed");
  });
});

// PROXY header ----------------------------------------------------------------------------------------------------

const PROXY_LINE = "PROXY TCP4 198.51.100.7 203.0.113.1 4711 25\r\n";

function anyIpv4(): AddressRange {
  return { kind: "ip", address: new Uint8Array(4), prefix: 0 };
}

function proxied(options: BenchOptions = {}): BenchOptions {
  return {
    ...options,
    proxyProtocol: true,
    settings: { set_real_ip_from: [anyIpv4()], ...options.settings },
  };
}

Deno.test("a PROXY header of a trusted balancer says who the client is", async () => {
  for (const segment of [1, 65_536]) {
    await withBench(proxied({ pair: { segment } }), async (bench) => {
      await bench.client.send(PROXY_LINE + `AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
      const { question } = await bench.asked();
      assert.deepEqual(question.client, { host: "198.51.100.7", port: 4711 });
      assert.deepEqual(question.proxyProtocol?.destination, { host: "203.0.113.1", port: 25 });
    });
  }
});

const HEADERS_WITHOUT_CLIENT: readonly string[] = [
  "PROXY UNKNOWN\r\n",
  decodeLatin1(
    formatProxyV2({ client: { host: "unix:", port: 0 }, local: { host: "unix:", port: 0 }, tls: null }),
  ),
];

for (const header of HEADERS_WITHOUT_CLIENT) {
  Deno.test(`the connection's own address stays after ${JSON.stringify(header.slice(0, 13))}`, async () => {
    await withBench(proxied(), async (bench) => {
      await bench.client.send(header + `AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
      const { question } = await bench.asked();
      assert.deepEqual([question.client.host, question.proxyProtocol], ["192.0.2.1", null]);
    });
  });
}

const BROKEN: readonly { name: string; options: BenchOptions; send: string; event: string }[] = [
  { name: "from a stranger", options: { proxyProtocol: true }, send: "", event: "proxy_header_untrusted" },
  {
    name: "from a Unix socket that is not trusted",
    options: proxied({ remote: { kind: "unix", path: "" } }),
    send: "",
    event: "proxy_header_untrusted",
  },
  { name: "that is SMTP", options: proxied(), send: "EHLO a\r\n", event: "proxy_header_broken" },
  {
    name: "with no address",
    options: proxied(),
    send: "PROXY TCP4 x y 1 2\r\n",
    event: "proxy_header_broken",
  },
  {
    name: "that does not end",
    options: proxied(),
    send: "PROXY " + "x".repeat(200),
    event: "proxy_header_broken",
  },
];

for (const { name, options, send, event } of BROKEN) {
  Deno.test(`a PROXY header ${name} is closed without a word`, async () => {
    await withBench(options, async (bench) => {
      if (send !== "") await bench.client.send(send);
      assert.deepEqual(await ending(bench), ["", "proxy_header"]);
      assert.deepEqual(bench.events().slice(1, 2), [event]);
    });
  });
}

Deno.test("a ClientHello in the packet of the PROXY header belongs to the handshake", async () => {
  await withBench(proxied({ ssl: true }), async (bench) => {
    await bench.client.send(PROXY_LINE + CLIENT_HELLO + "EHLO a\r\n");
    await bench.client.expect(SERVER_HELLO + GREETING + "250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n");
  });
});

// Certificates of clients -----------------------------------------------------------------------------------------

const UNTRUSTED: CertificateVerdict = { kind: "failed", reason: "18:self-signed", untrustedIssuer: true };
const EXPIRED: CertificateVerdict = { kind: "failed", reason: "10:expired", untrustedIssuer: false };
const NONE: CertificateVerdict = { kind: "none" };
const SUCCESS: CertificateVerdict = { kind: "success" };
const MISSING = "421 4.7.1 No required SSL certificate\r\n";
const BAD = "421 4.7.1 SSL certificate error\r\n";

const VERDICTS: Readonly<
  Record<"off" | "on" | "optional" | "optional_no_ca", [CertificateVerdict, string | null][]>
> = {
  off: [[NONE, null], [UNTRUSTED, null]],
  on: [[NONE, MISSING], [UNTRUSTED, BAD], [EXPIRED, BAD], [SUCCESS, null]],
  optional: [[NONE, null], [UNTRUSTED, BAD], [EXPIRED, BAD], [SUCCESS, null]],
  optional_no_ca: [[NONE, null], [UNTRUSTED, null], [EXPIRED, BAD], [SUCCESS, null]],
};

for (const [mode, rows] of Object.entries(VERDICTS)) {
  for (const [verdict, refusal] of rows) {
    for (const ssl of [true, false]) {
      const shown = verdict.kind === "failed" ? verdict.reason : verdict.kind;
      const name = `ssl_verify_client ${mode}, ${shown}, ${ssl ? "implicit TLS" : "STARTTLS"}`;
      Deno.test(`${name}: ${refusal === null ? "the session goes on" : refusal.trim()}`, async () => {
        const settings = { ssl_verify_client: mode as keyof typeof VERDICTS, starttls: "on" as const };
        await withBench({ ssl, settings, tls: { verdict } }, async (bench) => {
          if (!ssl) {
            await bench.client.expect(GREETING);
            await bench.client.send("STARTTLS\r\n");
            await bench.client.expect("220 2.0.0 Start TLS\r\n");
          }
          await bench.client.send(CLIENT_HELLO + "NOOP\r\n");
          await bench.client.expect(SERVER_HELLO);
          if (refusal !== null) return assert.deepEqual(await ending(bench), [refusal, "certificate"]);
          await bench.client.expect(ssl ? GREETING + OK : OK);
        });
      });
    }
  }
}

// Secrets ---------------------------------------------------------------------------------------------------------

/** Sessions in which a secret is on the way, and everything goes wrong that can. */
const SECRETS: readonly { name: string; run: (bench: Bench) => Promise<void> }[] = [
  {
    name: "a login that is refused",
    run: async (bench) => {
      await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0hunter22")}\r\n`);
      (await bench.asked()).answer(refused());
    },
  },
  {
    name: "a line that is too long",
    run: async (bench) => {
      await bench.client.send("AUTH PLAIN hunter22" + "x".repeat(12_290));
    },
  },
  {
    name: "base64 that is none",
    run: async (bench) => {
      await bench.client.send("AUTH LOGIN YWRh\r\nhunter22!\r\nhunter22\r\nQUIT\r\n");
    },
  },
  {
    name: "a login that is cut by the end of the process",
    run: async (bench) => {
      await bench.client.send(`AUTH LOGIN ${btoa("ada")}\r\n${btoa("hunter22")}\r\n`);
      await bench.asked();
      bench.interrupt("abort");
    },
  },
];

for (const { name, run } of SECRETS) {
  Deno.test(`no secret is logged: ${name}`, async () => {
    await withBench({ settings: { proxy_smtp_auth: true } }, async (bench) => {
      await bench.client.expect(GREETING);
      await run(bench);
      await bench.client.rest();
      bench.client.transport.close();
      await bench.outcome();
      const text = bench.log.map((line) => line.text).join("\n");
      const forms = ["hunter22", btoa("hunter22"), btoa("\0ada\0hunter22"), encodeURIComponent("hunter22")];
      for (const form of forms) assert.equal(text.includes(form), false, text);
    });
  });
}

Deno.test("the log has a beginning and an end of each session, with its outcome", async () => {
  await withBench({}, async (bench) => {
    await bench.client.send("QUIT\r\n");
    await ending(bench);
    assert.deepEqual(bench.events(), ["client_connected", "session_closed"]);
    assert.match(bench.log.at(-1)!.text, /"outcome":"quit"/);
  });
});
