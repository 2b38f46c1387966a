import assert from "node:assert/strict";
import type { SessionRecord } from "../../../src/ports/access_log.ts";
import { SessionRecording } from "../../../src/driver/session_record.ts";
import { messageRecord, sessionContext } from "../telemetry/access_records.ts";
import { accepted, type Bench, refused, withBench } from "./bench.ts";
import { CLIENT_HELLO, SERVER_HELLO, tlsFacts } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";

/** The one record of a session that has ended, without what the other tests look at. */
async function recordOf(bench: Bench): Promise<SessionRecord> {
  await bench.outcome();
  assert.equal(bench.sessions.length, 1);
  return bench.sessions[0]!;
}

Deno.test("the record of a session has its facts, and the time of each stage", async () => {
  const tls = { serverName: "mail.test", resumed: true };
  const options = { settings: { starttls: "on" }, tls, proxyProtocol: true } as const;
  await withBench({
    ...options,
    settings: {
      ...options.settings,
      set_real_ip_from: [{ kind: "ip", address: new Uint8Array(4), prefix: 0 }],
    },
    remote: { kind: "tcp", host: "10.0.0.1", port: 999 },
    resolve: () => Promise.resolve("pc.example.com"),
  }, async (bench) => {
    bench.clock.advance(1);
    await bench.client.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n");
    await bench.client.expect(GREETING);
    await bench.client.send("EHLO [192.0.2.7]\r\n");
    await bench.client.expect("250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n");
    bench.clock.advance(20);
    await bench.client.send("STARTTLS\r\n");
    await bench.client.expect("220 2.0.0 Start TLS\r\n");
    bench.clock.advance(300);
    await bench.client.send(CLIENT_HELLO);
    await bench.client.expect(SERVER_HELLO);
    await bench.client.send(`EHLO pc.example.com\r\nAUTH PLAIN ${btoa("\0bob\0wrong")}\r\n`);
    const first = await bench.asked();
    bench.clock.advance(4_000);
    first.answer(refused({ waitMs: 500 }));
    await bench.clock.armedFor(500);
    bench.clock.advance(500);
    await bench.client.expect("250-mx.test\r\n250 AUTH PLAIN LOGIN\r\n535 5.7.0 Bad creds\r\n");
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    (await bench.asked()).answer(accepted());
    const upstream = await bench.upstream();
    bench.clock.advance(7_000);
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250 hi\r\n");
    await bench.client.expect("235 2.0.0 OK\r\n");
    await bench.client.send("NOOP\r\n");
    await upstream.expect("NOOP\r\n");
    bench.clock.advance(60_000);
    upstream.transport.close();
    assert.equal(await bench.client.rest(), "421 4.4.2 mx.test Lost the connection to the mail server\r\n");
    bench.client.transport.close();
    assert.deepEqual(await recordOf(bench), {
      context: {
        id: "5e5510",
        connection: 1,
        client: { host: "192.0.2.7", port: 4711 },
        listener: "127.0.0.1:25",
        doing: "proxying",
        starttls: true,
        login: "ada",
        upstream: "192.0.2.9:25",
      },
      outcome: "relay_lost",
      relayEndedBy: "upstream",
      stage: "relaying",
      seconds: 71.821,
      stageSeconds: {
        proxy_header: 0.001,
        resolving: 0,
        command: 0.02,
        handshake: 0.3,
        asking: 4,
        waiting: 0.5,
        connecting: 7,
        relaying: 60,
      },
      peer: { host: "10.0.0.1", port: 999 },
      clientHost: "pc.example.com",
      helo: "pc.example.com",
      tls: tlsFacts(tls),
      method: "plain",
      attempts: 2,
      callout: { outcome: "accepted", code: null },
      upstreamTls: null,
      upstreamFailure: null,
      reversePath: null,
      recipientsAccepted: 0,
      recipientsRefused: 0,
      messagesAccepted: 0,
      messagesFailed: 0,
      octetsToUpstream: 6,
      octetsToClient: 58,
      reply: null,
      queueId: null,
    });
  });
});

Deno.test("a session that the auth service refused without a login has the sender it was asked about", async () => {
  const rows = [
    ["mail from:<a@b> SIZE=1", "a@b"],
    ["MAIL FROM:<>", ""],
    ["MAIL FROM: <a@b>", "a@b"],
    ["MAIL FROM:a@b", "a@b"],
  ] as const;
  for (const [mail, reversePath] of rows) {
    await withBench({ settings: { smtp_auth: ["none"] } }, async (bench) => {
      await bench.client.send(`HELO a\r\n${mail}\r\nRCPT TO:<c@d>\r\n`);
      (await bench.asked()).answer(refused());
      await bench.client.rest();
      bench.client.transport.close();
      const record = await recordOf(bench);
      assert.deepEqual(
        [
          record.outcome,
          record.method,
          record.reversePath,
          record.callout,
          record.context.login,
          record.helo,
        ],
        ["refused", "none", reversePath, { outcome: "refused", code: null }, null, "a"],
      );
    });
  }
});

Deno.test("a mail server that fails is told with the stage, the code and its reply", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    (await bench.asked()).answer(accepted());
    await (await bench.upstream()).send("421-4.3.2 come\r\n421 4.3.2 later\r\n");
    await bench.client.rest();
    bench.client.transport.close();
    const record = await recordOf(bench);
    assert.deepEqual([record.outcome, record.upstreamFailure, record.reply, record.stage], [
      "upstream_failed",
      { stage: "reading response from upstream", code: "refused" },
      { code: 421, text: "4.3.2 come 4.3.2 later" },
      "command",
    ]);
  });
});

Deno.test("an auth service that fails is told with the code of the failure", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    (await bench.asked()).answer({ kind: "failed", code: "timeout", reason: "slow" });
    await bench.client.rest();
    bench.client.transport.close();
    const { outcome, callout } = await recordOf(bench);
    assert.deepEqual([outcome, callout], ["auth_unavailable", { outcome: "failed", code: "timeout" }]);
  });
});

Deno.test("messages are told one by one, and the session sums them up", () => {
  const told: unknown[] = [];
  const sessions: SessionRecord[] = [];
  const access = {
    session: (record: SessionRecord) => void sessions.push(record),
    message: (_session: unknown, record: unknown) => void told.push(record),
  };
  const recording = new SessionRecording(access, sessionContext(), 1_000);
  const messages = [
    messageRecord(),
    messageRecord({ number: 2, outcome: "rejected", reply: { code: 552, text: "no" }, queueId: null }),
    messageRecord({ number: 3, outcome: "aborted", reply: null, queueId: null, reversePath: "" }),
  ];
  for (const message of messages) recording.message(message);
  recording.end({ outcome: "relayed", now: 1_500, tls: null, relayed: null, helo: "", clientHost: null });
  assert.deepEqual(told, messages);
  const { messagesAccepted, messagesFailed, recipientsAccepted, recipientsRefused, ...rest } = sessions[0]!;
  assert.deepEqual([messagesAccepted, messagesFailed, recipientsAccepted, recipientsRefused], [1, 2, 6, 3]);
  assert.deepEqual([rest.reversePath, rest.reply, rest.queueId, rest.seconds], [
    "",
    { code: 552, text: "no" },
    "4F1",
    0.5,
  ]);
});
