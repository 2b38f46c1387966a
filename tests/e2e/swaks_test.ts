import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { withEdge } from "../support/edge.ts";
import { type PeerOutput, peerTest, runPeer } from "../support/peers.ts";
import { accepted, type CalloutRequest, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const PEERS = ["swaks"] as const;
const TLS_PEERS = ["swaks", "Net::SSLeay"] as const;

function swaks(port: number, ...args: readonly string[]): Promise<PeerOutput> {
  return runPeer("swaks", [
    ...["--server", "127.0.0.1", "--port", String(port), "--timeout", "20"],
    ...["--from", "alice@example.test", "--to", "bob@example.test", "--helo", "client.example"],
    ...["--body", "hello from swaks", ...args],
  ]);
}

function assertSent(output: PeerOutput, sink: SmtpSink): void {
  assert.equal(output.code, 0, output.stdout + output.stderr);
  assert.equal(sink.messages.length, 1);
  assert.deepEqual(sink.messages[0]!.recipients, ["RCPT TO:<bob@example.test>"]);
}

/** Right is who knows that alice's password is `se cret%`. */
function isAlice(request: CalloutRequest): boolean {
  if (request.header("Auth-User") !== "alice") return false;
  const secret = request.header("Auth-Pass");
  if (request.header("Auth-Method") !== "cram-md5") return secret === "se%20cret%25";
  const salt = request.header("Auth-Salt");
  return salt !== null && secret === createHmac("md5", "se cret%").update(salt).digest("hex");
}

peerTest("swaks delivers without a login, and XCLIENT tells the mail server about it", PEERS, async () => {
  await using sink = new SmtpSink({
    capabilities: ["XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"],
  });
  await withEdge({
    callout: () => accepted(sink.port),
    servers: () => [{ smtp_auth: ["none"] }],
  }, async ({ postern, callout }) => {
    assertSent(await swaks(postern.port()), sink);
    const request = callout.requests[0]!;
    assert.equal(request.header("Auth-Method"), "none");
    assert.equal(request.header("Auth-SMTP-Helo"), "client.example");
    assert.equal(request.header("Auth-SMTP-From"), "MAIL FROM:<alice@example.test>");
    assert.equal(request.header("Auth-SMTP-To"), "RCPT TO:<bob@example.test>");
    const { commands } = sink.sessions[0]!;
    assert.equal(commands[0], "EHLO mail.test");
    const xclient = commands.filter((line) => line.startsWith("XCLIENT ")).join(" ");
    for (
      const attribute of [
        "NAME=[UNAVAILABLE]",
        "ADDR=127.0.0.1",
        "PROTO=ESMTP",
        "HELO=client.example",
        "DESTADDR=127.0.0.1",
        `DESTPORT=${postern.port()}`,
      ]
    ) assert.ok(xclient.split(" ").includes(attribute), `${attribute} in ${xclient}`);
    assert.match(xclient, / PORT=\d+( |$)/);
    assert.equal(commands[commands.indexOf("EHLO client.example") + 1], "MAIL FROM:<alice@example.test>");
  });
});

for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5"]) {
  peerTest(`swaks signs in with ${mechanism} over STARTTLS`, TLS_PEERS, async () => {
    await using sink = new SmtpSink();
    await withEdge({
      callout: (request) => isAlice(request) ? accepted(sink.port) : refused("No"),
      servers: (files) => [{
        ...files.server(),
        starttls: "only",
        xclient: "off",
        smtp_auth: ["plain", "login", "cram-md5"],
      }],
    }, async ({ postern, callout }) => {
      const login = ["--auth", mechanism, "--auth-user", "alice", "--auth-password", "se cret%"];
      assertSent(await swaks(postern.port(), "--tls", ...login), sink);
      const request = callout.requests[0]!;
      assert.equal(request.header("Auth-Method"), mechanism === "CRAM-MD5" ? "cram-md5" : "plain");
      assert.equal(request.header("Auth-SSL"), "on");
    });
  });
}

peerTest("swaks signs in over implicit TLS", TLS_PEERS, async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: (request) => isAlice(request) ? accepted(sink.port) : refused("No"),
    servers: (files) => [{ ...files.server(), ssl: "on", xclient: "off" }],
  }, async ({ postern }) => {
    const login = ["--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "se cret%"];
    assertSent(await swaks(postern.port(), "--tls-on-connect", ...login), sink);
  });
});

peerTest("swaks is refused with the callout's words when the password is wrong", PEERS, async () => {
  await withEdge(
    { callout: (request) => isAlice(request) ? accepted(1) : refused("Bad creds") },
    async ({ postern }) => {
      const login = ["--auth", "LOGIN", "--auth-user", "alice", "--auth-password", "guess"];
      const output = await swaks(postern.port(), ...login);
      assert.equal(output.code, 28, output.stdout);
      assert.match(output.stdout, /<\*\* 535 5\.7\.0 Bad creds/);
    },
  );
});

peerTest("swaks with a client certificate: the callout learns who it is", TLS_PEERS, async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    servers: (files) => [{
      ...files.server(),
      starttls: "on",
      xclient: "off",
      ssl_verify_client: "on",
      ssl_client_certificate: files.root,
      auth_http_pass_client_cert: "on",
    }],
  }, async ({ postern, callout, files }) => {
    const { certificate, key } = files.client("client");
    const login = ["--auth", "PLAIN", "--auth-user", "alice", "--auth-password", "x"];
    const tls = ["--tls", "--tls-cert", certificate, "--tls-key", key];
    assertSent(await swaks(postern.port(), ...tls, ...login), sink);
    const request = callout.requests[0]!;
    assert.equal(request.header("Auth-SSL-Verify"), "SUCCESS");
    assert.equal(request.header("Auth-SSL-Subject"), "CN=alice,O=Lab\\, Inc");
    assert.equal(request.header("Auth-SSL-Issuer"), "CN=Postern Test Root");
    const pem = decodeURIComponent(request.header("Auth-SSL-Cert")!);
    assert.equal(pem.trim(), files.made.client.certificate.trim());
  });
});

const PROXY_ADDRESSES = [
  ...["--proxy-source", "192.0.2.7", "--proxy-source-port", "4711"],
  ...["--proxy-dest", "192.0.2.25", "--proxy-dest-port", "25"],
];
const PROXY_VERSIONS = { "1": "TCP4", "2": "AF_INET" };

for (const [version, family] of Object.entries(PROXY_VERSIONS)) {
  peerTest(`swaks comes through a balancer that speaks PROXY protocol ${version}`, PEERS, async () => {
    await using sink = new SmtpSink({ capabilities: ["XCLIENT NAME ADDR PORT"] });
    await withEdge({
      callout: () => accepted(sink.port),
      servers: () => [{
        listen: "127.0.0.1:0 proxy_protocol",
        smtp_auth: ["none"],
        set_real_ip_from: ["127.0.0.0/8"],
      }],
    }, async ({ postern, callout }) => {
      const proxy = ["--proxy-version", version, "--proxy-family", family, ...PROXY_ADDRESSES];
      assertSent(await swaks(postern.port(), ...proxy), sink);
      const request = callout.requests[0]!;
      assert.equal(request.header("Client-IP"), "192.0.2.7");
      assert.equal(request.header("Proxy-Protocol-Addr"), "192.0.2.7");
      assert.equal(request.header("Proxy-Protocol-Port"), "4711");
      assert.equal(request.header("Proxy-Protocol-Server-Addr"), "192.0.2.25");
      assert.equal(request.header("Proxy-Protocol-Server-Port"), "25");
      assert.ok(sink.sessions[0]!.commands.includes("XCLIENT NAME=[UNAVAILABLE] PORT=4711 ADDR=192.0.2.7"));
    });
  });
}
