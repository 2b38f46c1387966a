import assert from "node:assert/strict";
import { composeAccessLogs, LineAccessLog } from "../../../src/telemetry/access_log.ts";
import { JsonLog } from "../../../src/telemetry/json_log.ts";
import type { LogSink } from "../../../src/telemetry/log_sink.ts";
import { messageRecord, sessionContext, sessionRecord } from "./access_records.ts";

/** A sink in memory that can stand still, or be broken. */
class Sink implements LogSink {
  text = "";
  reopened = 0;
  closed = 0;
  broken = false;
  gate: Promise<void> = Promise.resolve();

  async write(octets: Uint8Array): Promise<number> {
    await this.gate;
    if (this.broken) throw new Deno.errors.BrokenPipe("nobody reads");
    this.text += new TextDecoder().decode(octets);
    return octets.length;
  }
  reopen(): Promise<void> {
    this.reopened++;
    return Promise.resolve();
  }
  close(): void {
    this.closed++;
  }
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

const now = () => Date.UTC(2026, 0, 2, 3, 4, 5, 6);

Deno.test("sessions and messages are written in their order, with the time", async () => {
  const sink = new Sink();
  const log = new LineAccessLog(sink, { format: "text", now });
  log.message(sessionContext(), messageRecord());
  log.session(sessionRecord());
  await log.close();
  assert.deepEqual(sink.lines.map((line) => line.split(" ", 2)), [
    ["2026-01-02T03:04:05.006Z", "message"],
    ["2026-01-02T03:04:05.006Z", "session"],
  ]);
  assert.equal(sink.closed, 1);
});

Deno.test("a reader that stands still delays nobody: lines beyond a bound are dropped and counted", async () => {
  const sink = new Sink();
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.gate = promise;
  const log = new LineAccessLog(sink, { format: "text", now });
  const helo = "x".repeat(1000);
  for (let count = 0; count < 2000; count++) log.session(sessionRecord({ helo }));
  resolve();
  await log.close();
  const told = Number(/event=log_dropped lines=(\d+)$/.exec(sink.lines.at(-1)!)?.[1]);
  assert.equal(sink.lines.length - 1 + told, 2000);
  assert.ok(sink.text.length < 1.1 * 1024 * 1024 && told > 500, `${told}`);
});

Deno.test("beside another log of the same destination, order and ownership are that log's", async () => {
  const sink = new Sink();
  const structured = new JsonLog(sink, { level: "info", now, gatherMs: 5 });
  const access = new LineAccessLog(structured.writer, { format: "json", now });
  structured.event("info", "a", "m", null);
  access.session(sessionRecord());
  structured.event("info", "b", "m", null);
  await access.reopen();
  await access.close();
  assert.deepEqual([sink.reopened, sink.closed], [0, 0]);
  await structured.close();
  assert.deepEqual(sink.lines.map((line) => JSON.parse(line).event), ["a", "session_closed", "b"]);
});

Deno.test("several access logs are told the same, none is null", async () => {
  assert.equal(composeAccessLogs([]), null);
  const sinks = [new Sink(), new Sink()];
  const logs = sinks.map((sink) => new LineAccessLog(sink, { format: "text", now }));
  assert.equal(composeAccessLogs(logs.slice(1)), logs[1]);
  const composed = composeAccessLogs(logs)!;
  sinks[0]!.broken = true;
  composed.session(sessionRecord());
  composed.message(sessionContext(), messageRecord());
  for (const log of logs) await log.close();
  assert.deepEqual(sinks.map(({ lines }) => lines.length), [0, 2]);
});

Deno.test("the structured log leaves the end of a session to the access log", async () => {
  const sink = new Sink();
  const log = new JsonLog(sink, { level: "debug", now });
  log.event("info", "session_closed", "m", sessionContext(), { outcome: "quit" });
  await log.close();
  assert.equal(sink.text, "");
});
