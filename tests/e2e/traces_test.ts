import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { OtlpReceiver, type ReceivedSpan } from "../support/otlp_receiver.ts";
import { accepted } from "../support/scripted_callout.ts";
import { secrets } from "../support/secrets.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

/** `SpanKind` and `StatusCode` of OTLP. */
const [INTERNAL, SERVER, CLIENT] = [1, 2, 3];
const ERROR = 2;

function attributesOf({ attributes }: ReceivedSpan): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

Deno.test("with OTEL_DENO=true every session is a trace, workers' too, and the auth service is told of it", async () => {
  await using receiver = new OtlpReceiver();
  await using sink = new SmtpSink();
  const sessions = 8;
  await withEdge({
    env: receiver.env,
    callout: (request) => accepted(request.header("Auth-User") === "lost" ? 1 : sink.port),
    mail: () => ({ worker_processes: 2, xclient: "off" }),
    servers: (files) => [{ ...files.server(), ssl: "on" }],
  }, async ({ callout, connect, files }) => {
    await Promise.all(Array.from({ length: sessions }, async (_, index) => {
      await using client = await connect(0, { greeting: false });
      await client.startTls({ authorities: files.made.root.certificate, serverName: "mail.test" });
      await client.expect(/^220 /);
      await client.authPlain(index === 0 ? "lost" : "alice", "open-sesame", index === 0 ? /^451 / : /^235 /);
      if (index > 0) await client.quit();
    }));
    const roots = await receiver.named("smtp session", sessions);
    await receiver.named("upstream", sessions);
    await receiver.named("relay", sessions - 1);
    assert.equal(new Set(roots.map(({ traceId }) => traceId)).size, sessions);

    for (const root of roots) {
      const inside = receiver.spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);
      const attributes = attributesOf(root);
      const failed = attributes["postern.outcome"] === "upstream_failed";
      assert.deepEqual(
        inside.map(({ name, kind }) => [name, kind]).toSorted(),
        [
          ["callout", CLIENT],
          ["tls", INTERNAL],
          ["upstream", CLIENT],
          ...(failed ? [] : [["relay", INTERNAL]]),
        ]
          .toSorted(),
      );
      assert.deepEqual([root.kind, root.scope, root.parentSpanId], [SERVER, "postern", ""]);
      assert.ok(inside.every(({ traceId }) => traceId === root.traceId));
      assert.equal(attributes["tls.protocol.version"], "TLSv1.3");
      assert.equal(attributes["user.name"], failed ? "lost" : "alice");
      assert.equal(root.status?.code === ERROR, failed);
      const begun = inside.map(({ startTimeUnixNano }) => BigInt(startTimeUnixNano));
      assert.ok(begun.every((at) => at >= BigInt(root.startTimeUnixNano)));
      // The service can hang its own spans to the one in which it was asked.
      const session = callout.requests.find((request) =>
        request.header("Auth-Session") === attributes["session.id"]
      );
      const span = inside.find(({ name }) => name === "callout")!;
      assert.equal(session?.header("traceparent"), `00-${span.traceId}-${span.spanId}-01`);
    }
    assert.deepEqual(secrets.foundIn(receiver.text), []);
  });
});

Deno.test("without OTEL_DENO nothing is traced, and the auth service is asked as ever", async () => {
  await using receiver = new OtlpReceiver();
  await using sink = new SmtpSink();
  const { OTEL_DENO: _, ...env } = receiver.env;
  await withEdge({
    env,
    callout: () => accepted(sink.port),
    mail: () => ({ xclient: "off" }),
  }, async ({ connect, callout }) => {
    await using client = await connect();
    await client.authPlain("alice", "open-sesame");
    await client.quit();
    assert.equal(callout.requests[0]!.header("traceparent"), null);
  });
  assert.equal(receiver.text, "");
});
