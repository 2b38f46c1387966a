import assert from "node:assert/strict";
import { type Directives, withEdge } from "../support/edge.ts";
import { accepted, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const LISTEN: Directives = { listen: "127.0.0.1:0 proxy_protocol", xclient: "off" };
const TRUSTING: Directives = { ...LISTEN, set_real_ip_from: ["127.0.0.0/8", "::1"] };

/** Version 2 header: command, family and protocol, then the body. */
function v2(command: number, family: number, body: string): string {
  const length = String.fromCharCode(body.length >> 8, body.length & 255);
  return SIGNATURE + String.fromCharCode(0x20 | command, family) + length + body;
}

function octets(...values: readonly number[]): string {
  return String.fromCharCode(...values);
}

const IPV4_BODY = octets(192, 0, 2, 7, 192, 0, 2, 25, 0x12, 0x67, 0, 25);
const IPV6_BODY = octets(0x20, 1, 0x0d, 0xb8) + "\0".repeat(11) + "\x07" +
  octets(0x20, 1, 0x0d, 0xb8) + "\0".repeat(11) + "\x19" + octets(0x12, 0x67, 0, 25);

interface Header {
  readonly name: string;
  readonly header: string;
  /** Client-IP and Client-Port of the callout; null: the address of the connection. */
  readonly client: string | null;
}

const HEADERS: readonly Header[] = [
  { name: "v1, IPv4", header: "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n", client: "192.0.2.7 4711" },
  { name: "v1, IPv6", header: "PROXY TCP6 2001:db8::7 2001:db8::19 4711 25\r\n", client: "2001:db8::7 4711" },
  { name: "v1, unknown", header: "PROXY UNKNOWN\r\n", client: null },
  { name: "v2, IPv4", header: v2(1, 0x11, IPV4_BODY), client: "192.0.2.7 4711" },
  { name: "v2, IPv6", header: v2(1, 0x21, IPV6_BODY), client: "2001:db8::7 4711" },
  {
    name: "v2, with TLVs",
    header: v2(1, 0x11, IPV4_BODY + "\x01\0\x04smtp\x04\0\x02xx"),
    client: "192.0.2.7 4711",
  },
  { name: "v2, local", header: v2(0, 0, ""), client: null },
  { name: "v2, unspecified", header: v2(1, 0, "ignored"), client: null },
];

Deno.test("a PROXY header of a trusted balancer says who the client is, in any segmentation", async () => {
  await withEdge({
    callout: (request) => refused(`${request.header("Client-IP")} ${request.header("Client-Port")}`),
    servers: () => [TRUSTING],
  }, async ({ connect }) => {
    for (const { name, header, client: expected } of HEADERS) {
      for (const step of [1, 5, header.length, Infinity]) {
        await using client = await connect(0, { greeting: false });
        const login = `AUTH PLAIN ${btoa("\0alice\0x")}\r\n`;
        // With an infinite step the header and the first command come in one segment.
        if (step === Infinity) await client.send(header + login);
        else for (let at = 0; at < header.length; at += step) await client.send(header.slice(at, at + step));
        await client.expect("220 mail.test ESMTP ready");
        if (step !== Infinity) await client.send(login);
        const reply = await client.expect(/^535 5\.7\.0 /);
        if (expected === null) assert.match(reply, /^535 5\.7\.0 127\.0\.0\.1 \d+$/, name);
        else assert.equal(reply, `535 5.7.0 ${expected}`, name);
        await client.expectEnd();
      }
    }
  });
});

Deno.test("anything but a PROXY header, and a header from a stranger, is closed without a word", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    servers: () => [TRUSTING, { ...LISTEN, set_real_ip_from: "192.0.2.0/24" }],
  }, async ({ connect, postern }) => {
    const good = HEADERS[0]!.header;
    const cases: readonly (readonly [number, string])[] = [
      [0, "EHLO client.example\r\n"],
      [0, "PROXY TCP4 192.0.2.7 192.0.2.25 4711 99999\r\n"],
      [0, "PROXY TCP4 2001:db8::7 192.0.2.25 4711 25\r\n"],
      [0, "PROXY " + "x".repeat(200)],
      [0, SIGNATURE + octets(0x31, 0x11, 0, 12) + IPV4_BODY],
      [0, v2(1, 0x11, IPV4_BODY.slice(1))],
      [0, "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"],
      [1, good],
    ];
    for (const [index, octets] of cases) {
      await using client = await connect(index, { greeting: false });
      await client.send(octets);
      const { text } = await client.readToEnd();
      assert.equal(text, "", JSON.stringify(octets));
    }
    for (const [at] of cases.entries()) {
      const closed = await postern.event("session_closed", (line) => line["conn"] === at + 1);
      assert.equal(closed["outcome"], "proxy_header");
    }
  });
});

Deno.test("the mail server gets a PROXY header of the version that was asked for", async () => {
  await using sink = new SmtpSink({ proxyHeader: true });
  const incoming = HEADERS[0]!.header;
  await withEdge({
    callout: (request) =>
      request.header("Auth-User") === "v2"
        ? accepted(sink.port, "Auth-Upstream-Proxy-Protocol: v2")
        : accepted(sink.port),
    servers: (files) => [
      { ...TRUSTING, proxy_protocol: "on" },
      { ...TRUSTING, proxy_protocol: "v2" },
      { ...TRUSTING },
      { ...TRUSTING, ...files.server(), ssl: "on", proxy_protocol: "v2" },
    ],
  }, async ({ connect, postern, files }) => {
    for (const [index, user] of ["v1", "v2", "v2", "tls"].entries()) {
      await using client = await connect(index, { greeting: false });
      await client.send(incoming);
      if (user === "tls") {
        await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      }
      await client.expect("220 mail.test ESMTP ready");
      await client.authPlain(user, "secret");
      await client.quit();
    }
    const headers = sink.sessions.map((session) => session.proxyHeader!);
    assert.equal(headers[0], `PROXY TCP4 192.0.2.7 127.0.0.1 4711 ${postern.port(0)}\r\n`);
    for (const [index, header] of headers.entries()) {
      if (index === 0) continue;
      const port = postern.port(index);
      assert.equal(header.slice(0, 14), SIGNATURE + "\x21\x11");
      const body = octets(192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x67, port >> 8, port & 255);
      assert.equal(header.slice(16, 28), body);
      assert.equal(header.includes("mail.test"), index === 3, "the AUTHORITY TLV is there for TLS clients");
    }
  });
});
