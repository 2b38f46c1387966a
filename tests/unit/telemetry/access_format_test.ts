import assert from "node:assert/strict";
import type { MessageRecord } from "../../../src/ports/telemetry.ts";
import type { SessionRecord } from "../../../src/ports/access_log.ts";
import { ACCESS_FORMATS } from "../../../src/telemetry/access_format.ts";
import { messageRecord, sessionContext, sessionRecord } from "./access_records.ts";

const STAMP = "2026-01-02T03:04:05.006Z";
const { json, text } = ACCESS_FORMATS;

const TLS = {
  protocol: "TLSv1.3",
  cipher: "TLS_AES_256_GCM_SHA384",
  serverName: "mail.example.com",
  alpn: null,
  resumed: false,
  peer: null,
  verdict: { kind: "success" },
} as const;

const FULL = sessionRecord({
  context: { login: "ada@example.com", upstream: "10.0.0.9:25", starttls: true },
  outcome: "relayed",
  relayEndedBy: "upstream",
  stage: "relaying",
  seconds: 1.5,
  stageSeconds: { proxy_header: 0.001, handshake: 0.012, command: 0.08, asking: 0.002, relaying: 1.4 },
  peer: { host: "10.0.0.1", port: 999 },
  clientHost: "pc.example.com",
  helo: "[192.0.2.7]",
  tls: TLS,
  method: "plain",
  attempts: 2,
  callout: { outcome: "accepted", code: null },
  upstreamTls: { ...TLS, protocol: "TLSv1.2" },
  reversePath: "",
  recipientsAccepted: 3,
  recipientsRefused: 1,
  messagesAccepted: 1,
  messagesFailed: 1,
  octetsToUpstream: 1234,
  octetsToClient: 567,
  reply: { code: 250, text: "2.0.0 Ok: queued as 4F1" },
  queueId: "4F1",
});

Deno.test("a session that knew everything has every field, in JSON and in text", () => {
  assert.deepEqual(JSON.parse(json.session(STAMP, FULL, 2)), {
    ts: STAMP,
    level: "info",
    event: "session_closed",
    worker: 2,
    session: "5e5510",
    conn: 7,
    listener: "0.0.0.0:587",
    client: "192.0.2.7:4711",
    peer: "10.0.0.1:999",
    client_host: "pc.example.com",
    helo: "[192.0.2.7]",
    starttls: true,
    tls_protocol: "TLSv1.3",
    tls_cipher: "TLS_AES_256_GCM_SHA384",
    tls_sni: "mail.example.com",
    tls_resumed: false,
    client_cert: "SUCCESS",
    auth_method: "plain",
    login: "ada@example.com",
    attempts: 2,
    callout: "accepted",
    upstream: "10.0.0.9:25",
    upstream_tls: "TLSv1.2",
    reverse_path: "",
    messages: 1,
    messages_failed: 1,
    recipients: 3,
    recipients_refused: 1,
    octets_to_upstream: 1234,
    octets_to_client: 567,
    reply: "250 2.0.0 Ok: queued as 4F1",
    queue_id: "4F1",
    outcome: "relayed",
    side: "upstream",
    stage: "relaying",
    seconds: 1.5,
    stages: { proxy_header: 0.001, handshake: 0.012, command: 0.08, asking: 0.002, relaying: 1.4 },
  });
  assert.equal(
    text.session(STAMP, FULL, 2),
    `${STAMP} session relayed, ended by upstream after 1.5s: worker=2 session=5e5510 conn=7 ` +
      "listener=0.0.0.0:587 client=192.0.2.7:4711 peer=10.0.0.1:999 client_host=pc.example.com " +
      "helo=[192.0.2.7] starttls=true tls_protocol=TLSv1.3 tls_cipher=TLS_AES_256_GCM_SHA384 " +
      "tls_sni=mail.example.com tls_resumed=false client_cert=SUCCESS auth_method=plain login=ada@example.com " +
      'attempts=2 callout=accepted upstream=10.0.0.9:25 upstream_tls=TLSv1.2 reverse_path="" messages=1 ' +
      "messages_failed=1 recipients=3 recipients_refused=1 octets_to_upstream=1234 octets_to_client=567 " +
      'reply="250 2.0.0 Ok: queued as 4F1" queue_id=4F1 stage=relaying ' +
      "stages=proxy_header:0.001,handshake:0.012,command:0.08,asking:0.002,relaying:1.4\n",
  );
});

Deno.test("a session of which nothing is known has a line without empty fields", () => {
  assert.equal(
    json.session(STAMP, sessionRecord(), null),
    `{"ts":"${STAMP}","level":"info","event":"session_closed","session":"5e5510","conn":7,` +
      '"listener":"0.0.0.0:587","client":"192.0.2.7:4711","outcome":"client_closed","side":"client",' +
      '"stage":"command","seconds":0.25,"stages":{"command":0.25}}\n',
  );
  assert.equal(
    text.session(STAMP, sessionRecord(), null),
    `${STAMP} session client_closed, ended by client after 0.25s: session=5e5510 conn=7 ` +
      "listener=0.0.0.0:587 client=192.0.2.7:4711 stage=command stages=command:0.25\n",
  );
});

const MESSAGES: readonly (readonly [string, Partial<MessageRecord>, object, string])[] = [
  [
    "accepted",
    {},
    { reply: "250 2.0.0 Ok: queued as 4F1", queue_id: "4F1", outcome: "accepted" },
    'reply="250 2.0.0 Ok: queued as 4F1" queue_id=4F1',
  ],
  [
    "rejected",
    { outcome: "rejected", reply: { code: 552, text: "" }, queueId: null },
    { reply: "552", outcome: "rejected" },
    "reply=552",
  ],
  [
    "refused",
    { outcome: "refused", reply: { code: 554, text: "5.6.0 no" }, queueId: null, refusal: "bare_newline" },
    { reply: "554 5.6.0 no", refusal: "bare_newline", outcome: "refused" },
    'reply="554 5.6.0 no" refusal=bare_newline',
  ],
  ["aborted", { outcome: "aborted", reply: null, queueId: null }, { outcome: "aborted" }, ""],
];

Deno.test("a message has a line that says what became of it", () => {
  const session = sessionContext({ login: "ada@example.com", upstream: "10.0.0.9:25" });
  for (const [outcome, fields, inJson, inText] of MESSAGES) {
    const record = messageRecord(fields);
    assert.deepEqual(JSON.parse(json.message(STAMP, session, record, null)), {
      ts: STAMP,
      level: "info",
      event: "message",
      session: "5e5510",
      conn: 7,
      message: 1,
      listener: "0.0.0.0:587",
      client: "192.0.2.7:4711",
      login: "ada@example.com",
      upstream: "10.0.0.9:25",
      reverse_path: "ada@example.com",
      recipients: 2,
      recipients_refused: 1,
      octets: 1234,
      ...inJson,
      seconds: 0.031,
    });
    assert.equal(
      text.message(STAMP, session, record, null),
      `${STAMP} message 1 ${outcome} after 0.031s: session=5e5510 conn=7 listener=0.0.0.0:587 ` +
        "client=192.0.2.7:4711 login=ada@example.com upstream=10.0.0.9:25 reverse_path=ada@example.com " +
        `recipients=2 recipients_refused=1 octets=1234 ${inText}`.trimEnd() + "\n",
    );
  }
});

/** What a stranger may put into a field, and how it stands in text. */
const HOSTILE: readonly (readonly [what: string, value: string, shown: string])[] = [
  ["a line end", "a\r\n2026 session relayed", '"a\\r\\n2026 session relayed"'],
  ["another field", "a outcome=relayed", '"a outcome=relayed"'],
  ["a quotation mark", 'a" login="root', '"a\\" login=\\"root"'],
  ["a backslash", "a\\", '"a\\\\"'],
  ["a terminal's escape", "\x1b[2J\x9b", '"\\u001b[2J\\u009b"'],
  ["NUL and DEL", "\0\x7f", '"\\u0000\\u007f"'],
  ["Unicode's line separator", "\xe2\x80\xa8", '"\\u2028"'],
  ["a mark that turns the writing", "a\xe2\x80\xaeb", '"a\\u202eb"'],
  ["UTF-8", "j\xc3\xbcrgen", '"jürgen"'],
  ["octets that are no UTF-8", "\xff", '"\xff"'],
  ["nothing", "", '""'],
];

Deno.test("nothing that a peer says ends a line, adds a field or reaches a terminal", () => {
  for (const [what, value, shown] of HOSTILE) {
    const record: SessionRecord = sessionRecord({
      context: { login: value },
      helo: value,
      tls: { ...TLS, serverName: value, verdict: { kind: "failed", reason: value, untrustedIssuer: false } },
      reversePath: value,
      reply: { code: 250, text: value },
      queueId: value,
    });
    const inText = text.session(STAMP, record, null);
    const inJson = json.session(STAMP, record, null);
    for (const line of [inText, inJson]) {
      assert.equal(line.indexOf("\n"), line.length - 1, what);
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(line.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028-\u202e]/, what);
    }
    for (const name of ["login", "helo", "tls_sni", "reverse_path", "queue_id"]) {
      assert.ok(inText.includes(` ${name}=${shown} `), `${what}: ${name} in ${inText}`);
    }
    const { login, helo } = JSON.parse(inJson);
    assert.deepEqual([login, helo], [JSON.parse(shown), JSON.parse(shown)], what);
  }
});

Deno.test("a text that has no end is cut", () => {
  const record = sessionRecord({ helo: "a".repeat(5000) });
  assert.equal(JSON.parse(json.session(STAMP, record, null)).helo, "a".repeat(1024) + "...");
  assert.ok(text.session(STAMP, record, null).length < 1300);
});

Deno.test("what the access log says of itself has the form of its other lines", () => {
  const own = ["warn", "log_dropped", "log lines were dropped", { lines: 3 }] as const;
  assert.deepEqual(JSON.parse(json.own(STAMP, ...own)), {
    ts: STAMP,
    level: "warn",
    event: "log_dropped",
    msg: "log lines were dropped",
    lines: 3,
  });
  assert.equal(text.own(STAMP, ...own), `${STAMP} warn log lines were dropped: event=log_dropped lines=3\n`);
});
