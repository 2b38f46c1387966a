import assert from "node:assert/strict";
import type { SessionOutcome } from "../../../src/ports/telemetry.ts";
import { MetricMemory } from "../../../src/telemetry/metric_memory.ts";
import { CountedMetrics, NO_METRICS } from "../../../src/telemetry/metrics.ts";
import { exposeMetrics } from "../../../src/telemetry/metrics_text.ts";

const PROCESS = { version: "0.1.0", runtime: "deno 2.9.6", startedAt: 1700000000.5 };

class TestMetrics extends CountedMetrics {
  readonly block: MetricMemory;
  constructor(block = new MetricMemory()) {
    super(block);
    this.block = block;
  }
  async expose(): Promise<string> {
    return await exposeMetrics({ process: PROCESS, blocks: [this.block] });
  }
}

function metrics(): TestMetrics {
  return new TestMetrics();
}

/** Values by name and labels, for lines such as `name{a="b"} 1`. */
function values(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const at = line.lastIndexOf(" ");
    assert.equal(found.has(line.slice(0, at)), false, `twice: ${line}`);
    found.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return found;
}

const rows: readonly { act: (to: TestMetrics) => void; expect: Record<string, number> }[] = [
  {
    act: () => {},
    expect: {
      'postern_build_info{version="0.1.0",runtime="deno 2.9.6"}': 1,
      "process_start_time_seconds": 1700000000.5,
      'postern_tls_handshakes_total{side="client",result="failed"}': 0,
      'postern_relayed_bytes_total{direction="to_client"}': 0,
    },
  },
  {
    act: (to) => {
      for (let count = 0; count < 3; count++) to.connectionOpened("0.0.0.0:25");
      to.connectionClosed("0.0.0.0:25", "quit", 0.2);
    },
    expect: {
      'postern_sessions_started_total{listener="0.0.0.0:25"}': 3,
      'postern_sessions{listener="0.0.0.0:25"}': 2,
      'postern_sessions_ended_total{listener="0.0.0.0:25",outcome="quit"}': 1,
      'postern_session_duration_seconds_bucket{le="0.1"}': 0,
      'postern_session_duration_seconds_bucket{le="0.25"}': 1,
      'postern_session_duration_seconds_bucket{le="+Inf"}': 1,
      "postern_session_duration_seconds_sum": 0.2,
      "postern_session_duration_seconds_count": 1,
    },
  },
  {
    act: (to) => {
      to.command("EHLO", 250);
      to.command("EHLO", 250);
      to.command("EHLO", 501);
      to.command("XYZZY", 500);
      to.command("MAIL", 12345);
      to.command("MAIL", NaN);
    },
    expect: {
      'postern_commands_total{verb="EHLO",code="250"}': 2,
      'postern_commands_total{verb="EHLO",code="501"}': 1,
      'postern_commands_total{verb="other",code="500"}': 1,
      'postern_commands_total{verb="MAIL",code="other"}': 2,
    },
  },
  {
    act: (to) => {
      to.tlsHandshake("client", true);
      to.tlsHandshake("upstream", false);
    },
    expect: {
      'postern_tls_handshakes_total{side="client",result="ok"}': 1,
      'postern_tls_handshakes_total{side="upstream",result="failed"}': 1,
    },
  },
  {
    act: (to) => {
      to.auth("plain", "accepted", 0.004);
      to.auth("plain", "refused", 70);
      to.auth("made-up", "failed", 1);
    },
    expect: {
      'postern_auth_total{method="plain",outcome="accepted"}': 1,
      'postern_auth_total{method="plain",outcome="refused"}': 1,
      'postern_auth_total{method="other",outcome="failed"}': 1,
      'postern_callout_duration_seconds_bucket{le="0.005"}': 1,
      'postern_callout_duration_seconds_bucket{le="1"}': 2,
      'postern_callout_duration_seconds_bucket{le="60"}': 2,
      'postern_callout_duration_seconds_bucket{le="+Inf"}': 3,
    },
  },
  {
    act: (to) => {
      to.upstream(true, "ready", 0.002);
      to.upstream(false, "sending MAIL FROM", 0.002);
    },
    expect: {
      'postern_upstream_dialogues_total{result="ok"}': 1,
      'postern_upstream_dialogues_total{result="failed"}': 1,
      "postern_upstream_open_duration_seconds_count": 2,
    },
  },
  {
    act: (to) => {
      to.moved(null, "command");
      to.moved(null, "command");
      to.moved("command", "relaying");
      to.moved("relaying", null);
    },
    expect: {
      'postern_sessions_in_state{state="command"}': 1,
      'postern_sessions_in_state{state="relaying"}': 0,
    },
  },
  {
    act: (to) => {
      to.observe("message_size_bytes", 5000);
    },
    expect: {
      'postern_message_size_bytes_bucket{le="4096"}': 0,
      'postern_message_size_bytes_bucket{le="16384"}': 1,
      "postern_message_size_bytes_sum": 5000,
    },
  },
  {
    act: (to) => {
      to.relayed("to_upstream", 5_000_000_000);
      to.relayed("to_upstream", 1);
    },
    expect: { 'postern_relayed_bytes_total{direction="to_upstream"}': 5_000_000_001 },
  },
];

for (const { act, expect } of rows) {
  Deno.test(`exposeMetrics() tells ${Object.keys(expect).at(-1)}`, async () => {
    const subject = metrics();
    act(subject);
    const found = values(await subject.expose());
    for (const [name, value] of Object.entries(expect)) assert.equal(found.get(name), value, name);
  });
}

Deno.test("CountedMetrics counts a value on a bucket's bound into that bucket", async () => {
  const subject = metrics();
  subject.auth("plain", "accepted", 0.005);
  const found = values(await subject.expose());
  assert.equal(found.get('postern_callout_duration_seconds_bucket{le="0.0025"}'), 0);
  assert.equal(found.get('postern_callout_duration_seconds_bucket{le="0.005"}'), 1);
});

Deno.test("CountedMetrics bounds the names it keeps", async () => {
  const subject = metrics();
  for (let count = 0; count < 1000; count++) {
    subject.connectionOpened(`listener ${count}`);
    subject.count("upstream_failures", `stage|${count}`);
  }
  const names = [...values(await subject.expose()).keys()];
  const listeners = names.filter((name) => name.startsWith("postern_sessions_started_total"));
  assert.equal(listeners.length, 256);
  assert.ok(listeners.includes('postern_sessions_started_total{listener="other"}'));
  assert.ok(names.filter((name) => name.startsWith("postern_upstream_failures_total")).length <= 512);
});

Deno.test("exposeMetrics() describes every family once and counts every outcome", async () => {
  const subject = metrics();
  const outcomes: SessionOutcome[] = ["relayed", "client_closed", "timeout", "internal_error", "shutdown"];
  for (const outcome of outcomes) {
    subject.connectionOpened("[::]:25");
    subject.connectionClosed("[::]:25", outcome, 1);
  }
  const text = await subject.expose();
  const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  assert.equal(new Set(families).size, families.length);
  assert.equal(families.length, [...text.matchAll(/^# HELP /gm)].length);
  for (const name of families) assert.match(name ?? "", /^(postern|process)_[a-z_]+$/);
  const found = values(text);
  for (const outcome of outcomes) {
    assert.equal(found.get(`postern_sessions_ended_total{listener="[::]:25",outcome="${outcome}"}`), 1);
  }
  assert.ok(text.endsWith("\n"));
});

Deno.test("exposeMetrics() escapes label values", async () => {
  const subject = metrics();
  subject.connectionOpened('unix:/a"b\\c\nd');
  assert.match(await subject.expose(), /started_total\{listener="unix:\/a\\"b\\\\c\\nd"\} 1\n/);
});

Deno.test("exposeMetrics() adds several blocks up, by name where they have names", async () => {
  const [first, second] = [metrics(), metrics()];
  first.upstream(true, "ready", 1);
  first.connectionOpened("a:25");
  second.connectionOpened("b:25");
  second.connectionOpened("a:25");
  second.connectionClosed("a:25", "quit", 2);
  second.command("EHLO", 250);
  first.command("EHLO", 250);
  first.relayed("to_client", 3);
  second.relayed("to_client", 4);
  const found = values(await exposeMetrics({ process: PROCESS, blocks: [first.block, second.block] }));
  assert.equal(found.get('postern_sessions_started_total{listener="a:25"}'), 2);
  assert.equal(found.get('postern_sessions_started_total{listener="b:25"}'), 1);
  assert.equal(found.get('postern_sessions{listener="a:25"}'), 1);
  assert.equal(found.get('postern_sessions_ended_total{listener="a:25",outcome="quit"}'), 1);
  assert.equal(found.get('postern_commands_total{verb="EHLO",code="250"}'), 2);
  assert.equal(found.get('postern_upstream_dialogues_total{result="ok"}'), 1);
  assert.equal(found.get('postern_relayed_bytes_total{direction="to_client"}'), 7);
  assert.equal(found.get("postern_session_duration_seconds_sum"), 2);
});

Deno.test("CountedMetrics goes on in the block of a thread that died", async () => {
  const dead = metrics();
  dead.connectionOpened("0.0.0.0:25");
  dead.connectionOpened("[::]:25");
  dead.connectionOpened("[::]:25");
  dead.connectionClosed("[::]:25", "relayed", 1);
  dead.upstream(false, "sending MAIL FROM", 1);
  assert.equal(dead.block.active, 2);
  assert.equal(dead.block.abandon(), 2);
  assert.equal(dead.block.active, 0);

  const successor = new TestMetrics(new MetricMemory(dead.block.memory));
  successor.connectionOpened("[::]:25");
  successor.upstream(false, "sending MAIL FROM", 1);
  const found = values(await dead.expose());
  assert.equal(found.get('postern_sessions_started_total{listener="[::]:25"}'), 3);
  assert.equal(found.get('postern_sessions{listener="[::]:25"}'), 1);
  assert.equal(
    found.get('postern_sessions_ended_total{listener="0.0.0.0:25",outcome="internal_error"}'),
    1,
  );
  assert.equal(found.get('postern_upstream_dialogues_total{result="failed"}'), 2);
});

Deno.test("CountedMetrics keeps the beginning of a name that is too long", async () => {
  const subject = metrics();
  const name = "unix:/" + "é".repeat(200);
  subject.connectionOpened(name);
  subject.connectionOpened(name);
  const opened = [...values(await subject.expose())].filter(([key]) =>
    key.startsWith("postern_sessions_started")
  );
  assert.deepEqual(opened, [[`postern_sessions_started_total{listener="unix:/${"é".repeat(60)}"}`, 2]]);
});

Deno.test("NO_METRICS takes everything", () => {
  NO_METRICS.count("messages", "accepted");
  NO_METRICS.observe("message_size_bytes", 1);
  NO_METRICS.moved(null, "command");
  NO_METRICS.connectionOpened("x");
  NO_METRICS.connectionClosed("x", "quit", 1);
  NO_METRICS.command("EHLO", 250);
  NO_METRICS.tlsHandshake("client", true);
  NO_METRICS.auth("plain", "accepted", 1);
  NO_METRICS.upstream(true, "ready", 1);
  NO_METRICS.relayed("to_client", 1);
});
