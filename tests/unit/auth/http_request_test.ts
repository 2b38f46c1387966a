import assert from "node:assert/strict";
import { compileRequest, type RequestOptions, writeRequest } from "../../../src/auth/http_request.ts";
import { RequestOctets } from "../../../src/auth/request_octets.ts";
import { decodeLatin1 } from "../../../src/bytes/latin1.ts";
import type { AuthQuestion } from "../../../src/ports/auth_backend.ts";
import { peerCertificate, question, tlsFacts } from "./questions.ts";

const options: RequestOptions = {
  host: "auth.example",
  uri: "/auth?a=b",
  keepAlive: true,
  sendCertificateFacts: false,
  passClientCertificate: false,
  headers: [],
};

function request(asked: AuthQuestion, changes: Partial<RequestOptions> = {}): string[] {
  const octets = new RequestOctets();
  writeRequest(compileRequest({ ...options, ...changes }), asked, octets);
  const text = decodeLatin1(octets.written);
  assert.ok(text.endsWith("\r\n\r\n"));
  return text.slice(0, -4).split("\r\n");
}

const extras = [
  "Client-Port: 40025",
  "Server-Addr: 198.51.100.1",
  "Server-Port: 587",
  "Auth-Session: 5e55-10",
];

Deno.test("writeRequest() writes nginx's request, then Postern's headers, for a plain connection", () => {
  assert.deepEqual(request(question({ attempt: 3 })), [
    "GET /auth?a=b HTTP/1.1",
    "Host: auth.example",
    "Auth-Method: plain",
    "Auth-User: jane",
    "Auth-Pass: hunter2",
    "Auth-Protocol: smtp",
    "Auth-Login-Attempt: 3",
    "Client-IP: 192.0.2.7",
    "Client-Host: client.example",
    ...extras,
  ]);
});

Deno.test("writeRequest() says HTTP/1.0 as nginx when connections are not kept", () => {
  assert.equal(request(question(), { keepAlive: false })[0], "GET /auth?a=b HTTP/1.0");
});

Deno.test("writeRequest() writes every header in nginx's order, auth_http_header lines last", () => {
  const asked = question({
    method: "cram-md5",
    secret: "0123456789abcdef0123456789abcdef",
    salt: "<1.2@mx.test>",
    proxyProtocol: {
      source: { host: "203.0.113.9", port: 1234 },
      destination: { host: "203.0.113.1", port: 25 },
    },
    tls: tlsFacts({ serverName: "mx.test", peer: peerCertificate, verdict: { kind: "success" } }),
  });
  const headers = [{ name: "X-One", value: "a  b %" }, { name: "X_Two", value: "" }];
  assert.deepEqual(
    request(asked, { sendCertificateFacts: true, passClientCertificate: true, headers }).slice(2),
    [
      "Auth-Method: cram-md5",
      "Auth-User: jane",
      "Auth-Pass: 0123456789abcdef0123456789abcdef",
      "Auth-Salt: <1.2@mx.test>",
      "Auth-Protocol: smtp",
      "Auth-Login-Attempt: 1",
      "Client-IP: 192.0.2.7",
      "Client-Host: client.example",
      "Proxy-Protocol-Addr: 203.0.113.9",
      "Proxy-Protocol-Port: 1234",
      "Proxy-Protocol-Server-Addr: 203.0.113.1",
      "Proxy-Protocol-Server-Port: 25",
      "Auth-SSL: on",
      "Auth-SSL-Protocol: TLSv1.3",
      "Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384",
      "Auth-SSL-Verify: SUCCESS",
      "Auth-SSL-Subject: CN=mx.test,O=Lab\\, Inc",
      "Auth-SSL-Issuer: CN=Root",
      "Auth-SSL-Serial: 11992A65",
      "Auth-SSL-Fingerprint: a9a5a633f1d2c7b0a9a5a633f1d2c7b0a9a5a633",
      "Auth-SSL-Cert: -----BEGIN%20CERTIFICATE-----%0AMIIB%25+/=%0A-----END%20CERTIFICATE-----%0A",
      "Client-Port: 40025",
      "Server-Addr: 198.51.100.1",
      "Server-Port: 587",
      "Auth-SSL-SNI: mx.test",
      "Auth-Session: 5e55-10",
      "X-One: a  b %",
      "X_Two: ",
    ],
  );
});

Deno.test("writeRequest() sends empty credentials and the envelope as typed for method none", () => {
  const asked = question({
    method: "none",
    user: "",
    secret: "",
    envelope: { helo: "", mail: "MAIL FROM:<a b@x>  SIZE=1%", rcpt: "rcpt to:<\tü>".replace("ü", "\xfc") },
  });
  assert.deepEqual(request(asked).slice(2, 12), [
    "Auth-Method: none",
    "Auth-User: ",
    "Auth-Pass: ",
    "Auth-Protocol: smtp",
    "Auth-Login-Attempt: 1",
    "Client-IP: 192.0.2.7",
    "Client-Host: client.example",
    "Auth-SMTP-Helo: ",
    "Auth-SMTP-From: MAIL FROM:<a b@x>  SIZE=1%",
    "Auth-SMTP-To: rcpt to:<\t\xfc>",
  ]);
});

const verdicts = [
  { name: "none", tls: tlsFacts(), expected: ["Auth-SSL-Verify: NONE"] },
  {
    name: "failed",
    tls: tlsFacts({
      peer: { ...peerCertificate, issuer: "" },
      verdict: { kind: "failed", reason: "self-signed certificate", untrustedIssuer: true },
    }),
    expected: [
      "Auth-SSL-Verify: FAILED:self-signed certificate",
      "Auth-SSL-Subject: CN=mx.test,O=Lab\\, Inc",
      "Auth-SSL-Serial: 11992A65",
      "Auth-SSL-Fingerprint: a9a5a633f1d2c7b0a9a5a633f1d2c7b0a9a5a633",
    ],
  },
] as const;
for (const { name, tls, expected } of verdicts) {
  Deno.test(`writeRequest() tells the verdict ${name} and leaves empty certificate fields out`, () => {
    const lines = request(question({ tls }), { sendCertificateFacts: true });
    const at = lines.indexOf("Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384");
    assert.deepEqual(lines.slice(at + 1, lines.indexOf(extras[0]!)), expected);
  });
}

Deno.test("writeRequest() tells nothing of certificates when ssl_verify_client is off", () => {
  const tls = tlsFacts({ peer: peerCertificate, verdict: { kind: "success" } });
  const lines = request(question({ tls }), { passClientCertificate: true });
  assert.deepEqual(lines.filter((line) => line.startsWith("Auth-SSL")), [
    "Auth-SSL: on",
    "Auth-SSL-Protocol: TLSv1.3",
    "Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384",
  ]);
});

Deno.test("writeRequest() leaves out ports of Unix sockets and an empty client host", () => {
  const asked = question({
    client: { host: "unix:", port: 0 },
    server: { kind: "unix", path: "/run/postern.sock" },
    clientHost: "",
  });
  assert.deepEqual(request(asked).slice(7), [
    "Client-IP: unix:",
    "Server-Addr: unix:/run/postern.sock",
    "Auth-Session: 5e55-10",
  ]);
});

Deno.test("writeRequest() escapes 0x00-0x20 and % in credentials and nothing else", () => {
  const octets = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet)).join("");
  const expected = Array.from(octets, (char) => {
    const octet = char.charCodeAt(0);
    return octet <= 0x20 || char === "%" ? "%" + octet.toString(16).toUpperCase().padStart(2, "0") : char;
  }).join("");
  const lines = request(question({ user: octets, secret: octets }));
  assert.deepEqual(lines.slice(3, 5), [`Auth-User: ${expected}`, `Auth-Pass: ${expected}`]);
});

Deno.test("writeRequest() lets no value begin another line", () => {
  const evil = "x\r\nAuth-Evil: 1\n\0\x7f\u010a\u010d";
  const asked = question({
    user: evil,
    secret: evil,
    salt: evil,
    client: { host: evil, port: 1 },
    clientHost: evil,
    envelope: { helo: evil, mail: evil, rcpt: evil },
    sessionId: evil,
    server: { kind: "tcp", host: evil, port: 1 },
    tls: tlsFacts({
      serverName: evil,
      cipher: evil,
      protocol: evil,
      peer: { ...peerCertificate, subject: evil, issuer: evil, serial: evil, fingerprint: evil, pem: evil },
      verdict: { kind: "failed", reason: evil, untrustedIssuer: false },
    }),
    proxyProtocol: { source: { host: evil, port: 1 }, destination: { host: evil, port: 1 } },
  });
  const lines = request(asked, {
    host: evil,
    uri: evil,
    sendCertificateFacts: true,
    passClientCertificate: true,
    headers: [{ name: evil, value: `${evil}$ssl_server_name$session_id$remote_addr` }],
  });
  for (const line of lines) {
    assert.doesNotMatch(line, /^Auth-Evil|[\r\n\0]/);
  }
});

const substitutions = [
  ["$remote_addr:$remote_port", "192.0.2.7:40025"],
  ["${server_addr}x${server_port}y", "198.51.100.1x587y"],
  ["<$session_id> $ssl_server_name.", "<5e55-10> a%20b%25."],
  ["$remote_addrx $unknown ${unknown} $ $$ ${", "$remote_addrx $unknown ${unknown} $ $$ ${"],
  ["$constructor ${toString}", "$constructor ${toString}"],
  ["gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"],
] as const;
for (const [value, expected] of substitutions) {
  Deno.test(`writeRequest() expands an auth_http_header value of ${value}`, () => {
    const asked = question({ tls: tlsFacts({ serverName: "a b%" }) });
    assert.equal(request(asked, { headers: [{ name: "X", value }] }).at(-1), `X: ${expected}`);
  });
}

Deno.test("writeRequest() expands $ssl_server_name to nothing without TLS", () => {
  assert.equal(
    request(question(), { headers: [{ name: "X", value: "[$ssl_server_name]" }] }).at(-1),
    "X: []",
  );
});

Deno.test("writeRequest() tells the span that the question belongs to where something is traced", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  assert.deepEqual(request(question({ traceparent })).at(-1), `traceparent: ${traceparent}`);
  assert.equal(request(question()).some((line) => line.startsWith("traceparent")), false);
});
