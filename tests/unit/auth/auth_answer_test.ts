import assert from "node:assert/strict";
import { formatSocketAddress } from "../../../src/bytes/socket_address.ts";
import { interpretAnswer } from "../../../src/auth/auth_answer.ts";
import type { HttpHead } from "../../../src/auth/http_response.ts";

function head(headers: Readonly<Record<string, string>>, status = 200, reason = "OK"): HttpHead {
  const lowered = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return { status, reason, headers: new Map(lowered) };
}

const target = { "Auth-Status": "OK", "Auth-Server": "192.0.2.1", "Auth-Port": "25" };
const noChoices = { tls: null, auth: null, xclient: null, proxyProtocol: null };
const accepted = {
  kind: "accepted",
  upstreams: [{ kind: "tcp", host: "192.0.2.1", port: 25 }],
  user: null,
  secret: null,
  choices: noChoices,
};

const answers = [
  { name: "OK with server and port", headers: target, expected: accepted },
  {
    name: "replaced credentials",
    headers: { ...target, "Auth-User": "a%20b", "Auth-Pass": "p\xe9" },
    expected: { ...accepted, user: "a%20b", secret: "p\xe9" },
  },
  {
    name: "empty credentials in place of the client's",
    headers: { ...target, "Auth-User": "", "Auth-Pass": "" },
    expected: { ...accepted, user: "", secret: "" },
  },
  {
    name: "empty headers as none",
    headers: { ...target, "Auth-Upstream-TLS": "", "Auth-Wait": "" },
    expected: accepted,
  },
  {
    name: "choices for the upstream in any case",
    headers: {
      ...target,
      "Auth-Upstream-TLS": "StartTLS",
      "Auth-Upstream-Auth": "xoauth2",
      "Auth-Upstream-XCLIENT": "nginx",
      "Auth-Upstream-Proxy-Protocol": "on",
    },
    expected: {
      ...accepted,
      choices: { tls: "starttls", auth: "xoauth2", xclient: "nginx", proxyProtocol: "v1" },
    },
  },
  {
    name: "a status in 2xx other than 200",
    headers: target,
    status: 299,
    expected: accepted,
  },
  {
    name: "an error text with nothing else",
    headers: { "Auth-Status": "Bad creds" },
    expected: { kind: "refused", text: "Bad creds", code: null, waitMs: null, saslChallenge: null },
  },
  {
    name: "ok in lower case as an error text",
    headers: { ...target, "Auth-Status": "ok" },
    expected: { kind: "refused", text: "ok", code: null, waitMs: null, saslChallenge: null },
  },
  {
    name: "an error with code, wait and SASL challenge",
    headers: {
      "Auth-Status": "Try later",
      "Auth-Error-Code": "454 4.7.0",
      "Auth-Wait": "3",
      "Auth-Error-SASL": "eyJzIjoiNDAxIn0=",
    },
    expected: {
      kind: "refused",
      text: "Try later",
      code: "454 4.7.0",
      waitMs: 3000,
      saslChallenge: "eyJzIjoiNDAxIn0=",
    },
  },
  {
    name: "control octets and length of the text",
    headers: { "Auth-Status": "a\tb\x01\x7f\xfc" + "x".repeat(600) },
    expected: {
      kind: "refused",
      text: "a b  \xfc" + "x".repeat(494),
      code: null,
      waitMs: null,
      saslChallenge: null,
    },
  },
  {
    name: "WAIT",
    headers: { "Auth-Status": "WAIT", "Auth-Wait": "2" },
    expected: { kind: "wait", ms: 2000 },
  },
];
for (const { name, headers, status, expected } of answers) {
  Deno.test(`interpretAnswer() understands ${name}`, () => {
    assert.deepEqual(interpretAnswer(head(headers, status)), expected);
  });
}

const longLabel = "a".repeat(63);
const servers = [
  { server: "255.255.255.255", upstream: { kind: "tcp", host: "255.255.255.255", port: 25 } },
  { server: "0.0.0.0", upstream: { kind: "tcp", host: "0.0.0.0", port: 25 } },
  { server: "::ffff:192.0.2.1", upstream: { kind: "tcp", host: "::ffff:192.0.2.1", port: 25 } },
  { server: "2001:DB8:0::1", upstream: { kind: "tcp", host: "2001:db8::1", port: 25 } },
  { server: "[::1]", upstream: { kind: "tcp", host: "::1", port: 25 } },
  { server: "MX-1.Example.test.", upstream: { kind: "tcp", host: "mx-1.example.test", port: 25 } },
  { server: "backend_2", upstream: { kind: "tcp", host: "backend_2", port: 25 } },
  { server: `${longLabel}.test`, upstream: { kind: "tcp", host: `${longLabel}.test`, port: 25 } },
  { server: "unix:/run/mail.sock", upstream: { kind: "unix", path: "/run/mail.sock" } },
  ...[
    "[192.0.2.1]",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.01",
    "0192.0.2.1",
    "192.0.2.1.",
    "192.0.2.1.2",
    "[::1",
    "::1]",
    "fe80::1%eth0",
    "192.0.2.1:25",
    "mx..test",
    ".",
    "-mx.test",
    "mx-.test",
    "mx.test/x",
    "m\xfc.test",
    `a${longLabel}.test`,
    `${longLabel}.${longLabel}.${longLabel}.${longLabel}`,
    "unix:run/mail.sock",
    "unix:",
    `unix:/${"x".repeat(107)}`,
    "unix:/run/\x1b[2Jmail.sock",
  ].map((server) => ({ server, upstream: null })),
];
for (const { server, upstream } of servers) {
  Deno.test(`interpretAnswer() ${upstream === null ? "refuses" : "takes"} Auth-Server: ${server}`, () => {
    const answer = interpretAnswer(head({ ...target, "Auth-Server": server }));
    if (upstream === null) assert.equal(answer.kind === "failed" && answer.code, "invalid_server");
    else assert.deepEqual(answer.kind === "accepted" && answer.upstreams, [upstream]);
  });
}

const lists = [
  { server: "192.0.2.1, mx.test", port: "25", upstreams: ["192.0.2.1:25", "mx.test:25"] },
  { server: "192.0.2.1,[::1]", port: "25 , 2525", upstreams: ["192.0.2.1:25", "[::1]:2525"] },
  { server: "unix:/s, mx.test", port: "0, 26", upstreams: ["unix:/s", "mx.test:26"] },
  { server: "unix:/s, unix:/t", port: "", upstreams: ["unix:/s", "unix:/t"] },
  { server: Array(16).fill("mx").join(","), port: "25", upstreams: Array(16).fill("mx:25") },
  { server: Array(17).fill("mx").join(","), port: "25", upstreams: "invalid_server" },
  { server: "192.0.2.1,", port: "25", upstreams: "invalid_server" },
  { server: ",", port: "25", upstreams: "invalid_server" },
  { server: "192.0.2.1, mx..test", port: "25", upstreams: "invalid_server" },
  { server: "192.0.2.1, mx", port: "25, 26, 27", upstreams: "invalid_port" },
  { server: "192.0.2.1, mx", port: "25, 0", upstreams: "invalid_port" },
  { server: "192.0.2.1, mx", port: "25,", upstreams: "invalid_port" },
  { server: "192.0.2.1", port: "25, 26", upstreams: "invalid_port" },
];
for (const { server, port, upstreams } of lists) {
  const got = typeof upstreams === "string" ? upstreams : `${upstreams.length} servers`;
  Deno.test(`interpretAnswer() reads ${got} from Auth-Server: ${server}, Auth-Port: ${port}`, () => {
    const answer = interpretAnswer(
      head({ "Auth-Status": "OK", "Auth-Server": server, ...(port === "" ? {} : { "Auth-Port": port }) }),
    );
    const found = answer.kind === "accepted"
      ? answer.upstreams.map(formatSocketAddress)
      : answer.kind === "failed" && answer.code;
    assert.deepEqual(found, upstreams);
  });
}

Deno.test("interpretAnswer() needs no port for a Unix socket", () => {
  const answer = interpretAnswer(head({ "Auth-Status": "OK", "Auth-Server": "unix:/s" }));
  assert.deepEqual(answer, { ...accepted, upstreams: [{ kind: "unix", path: "/s" }] });
});

const ports = [
  ["1", true],
  ["65535", true],
  ["0025", true],
  ["00000025", true],
  ["000000", false],
  ["0", false],
  ["65536", false],
  ["-1", false],
  [
    "25x",
    false,
  ],
  ["1e3", false],
  ["100000", false],
] as const;
for (const [port, valid] of ports) {
  Deno.test(`interpretAnswer() ${valid ? "takes" : "refuses"} Auth-Port: ${port}`, () => {
    const answer = interpretAnswer(head({ ...target, "Auth-Port": port }));
    if (valid) assert.equal(answer.kind === "accepted" && answer.upstreams[0].kind === "tcp", true);
    else assert.equal(answer.kind === "failed" && answer.code, "invalid_port");
  });
}

const errorCodes = [
  ["535", "535"],
  ["535 5.7.8", "535 5.7.8"],
  ["421 4.3.2", "421 4.3.2"],
  ["454 4.7.255", "454 4.7.255"],
  ["250 2.0.0", null],
  ["535 4.7.8", null],
  ["454 5.7.8", null],
  ["5355", null],
  ["535  5.7.8", null],
  ["535 5.7", null],
  ["535 5.7.8 x", null],
  ["535 5.7.1000", null],
  ["354", null],
  ["", null],
] as const;
for (const [value, code] of errorCodes) {
  Deno.test(`interpretAnswer() makes ${code} of Auth-Error-Code: ${value}`, () => {
    const answer = interpretAnswer(head({ "Auth-Status": "No", "Auth-Error-Code": value }));
    assert.equal(answer.kind === "refused" ? answer.code : answer, code);
  });
}

const waits = [
  ["1", 1000],
  ["3600", 3_600_000],
  ["3601", 3_600_000],
  ["9".repeat(400), 3_600_000],
  ["0", null],
  ["-1", null],
  ["1.5", null],
  ["1s", null],
] as const;
for (const [value, ms] of waits) {
  Deno.test(`interpretAnswer() waits ${ms} ms for Auth-Wait: ${value.slice(0, 10)}`, () => {
    const answer = interpretAnswer(head({ "Auth-Status": "No", "Auth-Wait": value }));
    assert.equal(answer.kind === "refused" ? answer.waitMs : answer, ms);
  });
}

const challenges = [
  ["YQ==", true],
  ["A".repeat(12288), true],
  ["A".repeat(12292), false],
  ["YQ=", false],
  ["YQ", false],
  ["Y Q=", false],
  ["=YQ=", false],
  ["{json}==", false],
] as const;
for (const [value, valid] of challenges) {
  const what = `${value.slice(0, 10)} (${value.length} octets)`;
  Deno.test(`interpretAnswer() ${valid ? "takes" : "ignores"} Auth-Error-SASL: ${what}`, () => {
    const answer = interpretAnswer(head({ "Auth-Status": "No", "Auth-Error-SASL": value }));
    assert.equal(answer.kind === "refused" ? answer.saslChallenge : answer, valid ? value : null);
  });
}

Deno.test("interpretAnswer() takes a refusal with any status where nginx's way holds, and nothing else", () => {
  const refusal = { "Auth-Status": "No", "Auth-Wait": "2" };
  const answer = interpretAnswer(head(refusal, 403, "Forbidden"), { anyStatusRefuses: true });
  assert.deepEqual(answer, { kind: "refused", text: "No", code: null, waitMs: 2000, saslChallenge: null });
  for (
    const headers of [target, { ...target, "Auth-Status": "" }, { "Auth-Status": "WAIT", "Auth-Wait": "1" }]
  ) {
    const answer = interpretAnswer(head(headers, 403, "Forbidden"), { anyStatusRefuses: true });
    assert.equal(answer.kind === "failed" && answer.code, "status");
  }
});

const failures = [
  {
    name: "status 500 with good headers",
    headers: target,
    status: 500,
    code: "status",
    text: /"500 Oh\\x01"/,
  },
  {
    name: "status 403 with a refusal",
    headers: { "Auth-Status": "No" },
    status: 403,
    code: "status",
    text: /403/,
  },
  { name: "status 302", headers: target, status: 302, code: "status", text: /a 2xx status/ },
  {
    name: "no Auth-Status",
    headers: { ...target, "Auth-Status": "" },
    code: "no_status",
    text: /Auth-Status.*none/,
  },
  { name: "no headers", headers: {}, code: "no_status", text: /Auth-Status/ },
  {
    name: "no server",
    headers: { "Auth-Status": "OK", "Auth-Port": "25" },
    code: "no_server",
    text: /Auth-Server/,
  },
  { name: "no port", headers: { ...target, "Auth-Port": "" }, code: "invalid_port", text: /got none/ },
  { name: "WAIT without Auth-Wait", headers: { "Auth-Status": "WAIT" }, code: "wait", text: /Auth-Wait/ },
  {
    name: "WAIT for 0",
    headers: { "Auth-Status": "WAIT", "Auth-Wait": "0" },
    code: "wait",
    text: /1 second/,
  },
  ...(["TLS", "Auth", "XCLIENT", "Proxy-Protocol"] as const).flatMap((what) =>
    ["maybe", "constructor"].map((value) => ({
      name: `Auth-Upstream-${what}: ${value}`,
      headers: { ...target, [`Auth-Upstream-${what}`]: value },
      code: "invalid_choice",
      text: new RegExp(`one of off, .* in Auth-Upstream-${what}, got "${value}"`),
    }))
  ),
];
for (const { name, headers, code, text, ...rest } of failures) {
  Deno.test(`interpretAnswer() fails with ${code} at ${name}`, () => {
    const secretive: Record<string, string> = { ...headers, "Auth-Pass": "hunter2", "Auth-User": "jane" };
    const answer = interpretAnswer(head(secretive, "status" in rest ? rest.status : 200, "Oh\x01"));
    assert.equal(answer.kind, "failed");
    assert.equal(answer.code, code);
    assert.match(answer.reason, text);
    assert.doesNotMatch(answer.reason, /hunter2|jane/);
  });
}
