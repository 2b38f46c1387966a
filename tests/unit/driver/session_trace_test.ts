import assert from "node:assert/strict";
import type { Span, SpanKind, Tracer } from "../../../src/ports/tracer.ts";
import { accepted, type Bench, refused, withBench } from "./bench.ts";
import { CLIENT_HELLO, SERVER_HELLO } from "./peer.ts";

/** A tracer that keeps what it is told, a line for each beginning and end. */
class TracerInMemory implements Tracer {
  readonly told: string[] = [];
  readonly attributes = new Map<string, unknown>();
  #spans = 0;

  begin(name: string, kind: SpanKind): Span {
    return this.#span(name, kind, "");
  }

  #span(name: string, kind: SpanKind, within: string): Span {
    const id = `${++this.#spans}`;
    this.told.push(`${within}${name} (${kind})`);
    return {
      traceparent: `00-trace-${id}`,
      child: (inner, innerKind) => this.#span(inner, innerKind, `${name} > `),
      set: (attribute, value) => void this.attributes.set(attribute, value),
      end: (failure) => void this.told.push(`${name} ends${failure === null ? "" : `: ${failure}`}`),
    };
  }
}

async function ended(bench: Bench): Promise<void> {
  await bench.client.rest();
  bench.client.transport.close();
  await bench.outcome();
}

const GREETING = "220 mx.test ESMTP ready\r\n";
const LOGIN = `AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`;

Deno.test("a session is a span, with one within for TLS, each callout, the mail server and the relay", async () => {
  const tracer = new TracerInMemory();
  await withBench({ tracer, ssl: true }, async (bench) => {
    await bench.client.send(CLIENT_HELLO);
    await bench.client.expect(SERVER_HELLO + GREETING);
    await bench.client.send(LOGIN);
    const first = await bench.asked();
    assert.equal(first.question.traceparent, "00-trace-3", "the callout belongs to its span");
    first.answer(refused({ waitMs: 10 }));
    await bench.clock.armedFor(10);
    bench.clock.advance(10);
    await bench.client.expect("535 5.7.0 Bad creds\r\n");
    await bench.client.send(LOGIN);
    (await bench.asked()).answer(accepted());
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250 hi\r\n");
    await bench.client.expect("235 2.0.0 OK\r\n");
    upstream.transport.close();
    await ended(bench);
  });
  assert.deepEqual(tracer.told, [
    "smtp session (server)",
    "smtp session > tls (internal)",
    "tls ends",
    "smtp session > callout (client)",
    "callout ends",
    "smtp session > callout (client)",
    "callout ends",
    "smtp session > upstream (client)",
    "upstream ends",
    "smtp session > relay (internal)",
    "relay ends",
    "smtp session ends",
  ]);
  assert.deepEqual(Object.fromEntries(tracer.attributes), {
    "session.id": "5e5510",
    "client.address": "192.0.2.1",
    "client.port": 40000,
    "postern.listener": "127.0.0.1:25",
    "postern.outcome": "relayed",
    "user.name": "ada",
    "postern.upstream": "192.0.2.9:25",
    "tls.protocol.version": "TLSv1.3",
  });
});

Deno.test("what goes wrong is said of the span in which it does, and of the session", async () => {
  const rows: readonly (readonly [string, (bench: Bench) => Promise<void>, readonly string[]])[] = [
    ["callout", async (bench) => {
      (await bench.asked()).answer({ kind: "failed", code: "timeout", reason: "slow" });
    }, ["callout ends: timeout", "smtp session ends: auth_unavailable"]],
    ["upstream", async (bench) => {
      bench.dialFails = true;
      (await bench.asked()).answer(accepted());
    }, ["upstream ends: refused", "smtp session ends: upstream_failed"]],
    ["client", async (bench) => {
      (await bench.asked()).answer(refused());
    }, ["callout ends", "smtp session ends"]],
  ];
  for (const [what, play, ends] of rows) {
    const tracer = new TracerInMemory();
    await withBench({ tracer }, async (bench) => {
      await bench.client.expect(GREETING);
      await bench.client.send(LOGIN);
      await play(bench);
      await ended(bench);
    });
    assert.deepEqual(tracer.told.filter((line) => line.includes(" ends")).slice(-2), ends, what);
  }
});

Deno.test("where nothing is traced the auth service is told no span", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send(LOGIN);
    const { question, answer } = await bench.asked();
    assert.equal(question.traceparent, null);
    answer(refused());
    await ended(bench);
  });
});
