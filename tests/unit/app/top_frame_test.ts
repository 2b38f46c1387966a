import assert from "node:assert/strict";
import { renderFrame, renderNotice } from "../../../src/app/top_frame.ts";
import { readSample, TopChange } from "../../../src/app/top_sample.ts";

type Values = readonly (readonly [labels: Record<string, string>, value: number, metricName?: string])[];

function family(name: string, ...values: Values): unknown {
  return {
    name,
    values: values.map(([labels, value, metricName]) => ({
      labels,
      value,
      ...(metricName && { metricName }),
    })),
  };
}

const LISTENER = { listener: "0.0.0.0:587" };
const SESSIONS = {
  total: 3,
  sessions: [
    {
      user: "ada@example.com",
      client: "192.0.2.7:4711",
      upstream: "10.0.0.5:25",
      state: "relaying",
      bytes_to_upstream: 5_000_000,
      bytes_to_client: 0,
    },
    {
      user: "ada@example.com",
      client: "192.0.2.7:4712",
      upstream: null,
      state: "asking",
      bytes_to_upstream: 0,
      bytes_to_client: 0,
    },
    {
      user: null,
      client: "192.0.2.9:1",
      upstream: null,
      state: "command",
      bytes_to_upstream: 0,
      bytes_to_client: 0,
    },
  ],
};

function buckets(name: string, ...counts: readonly number[]): unknown {
  const bounds = ["0.01", "0.1", "+Inf"];
  return family(name, ...counts.map((count, at) => [{ le: bounds[at]! }, count, `${name}_bucket`] as const));
}

function metrics(factor: number, extra: readonly unknown[] = []): unknown {
  return [
    family("postern_build_info", [{ version: "0.1.0" }, 1]),
    family("process_start_time_seconds", [{}, 1000]),
    family("process_cpu_seconds_total", [{}, 3 * factor]),
    family("process_resident_memory_bytes", [{}, 123_456_789]),
    family("postern_worker_up", [{ worker: "1" }, 1], [{ worker: "2" }, 1]),
    family("postern_sessions", [LISTENER, 3]),
    family("postern_sessions_started_total", [LISTENER, 20 * factor]),
    family("postern_sessions_ended_total", [{ ...LISTENER, outcome: "relayed" }, 17 * factor], [
      { ...LISTENER, outcome: "refused" },
      4 * factor,
    ]),
    family("postern_auth_total", [{ method: "plain", outcome: "accepted" }, 16 * factor]),
    family("postern_messages_total", [{ outcome: "accepted" }, 12 * factor], [
      { outcome: "rejected" },
      factor,
    ]),
    family("postern_relayed_bytes_total", [{ direction: "to_upstream" }, 4_000_000 * factor]),
    buckets("postern_callout_duration_seconds", 10 * factor, 20 * factor, 20 * factor),
    ...extra,
  ];
}

function change(sessions: unknown = SESSIONS, extra: readonly unknown[] = []): TopChange {
  const holds = { holds: [{ user: "eve" }] };
  const before = readSample(10_000_000, metrics(1), sessions, holds);
  return new TopChange(before, readSample(10_002_000, metrics(2, extra), sessions, holds));
}

Deno.test("renderFrame() shows rates between two readings", () => {
  assert.deepEqual(renderFrame(change(), { columns: 106, rows: 40, colour: false }), [
    "postern 0.1.0, up 2 h 30 min, workers 2/2, CPU 150 %, memory 123 MB",
    "sessions 3 open, 10.0/s new, held users: 1",
    "sign-ins 8.0/s accepted, 0.0/s refused, 0.0/s failed",
    "messages 6.0/s accepted, 0.5/s rejected, 0.0/s refused",
    "latency p50/p95: callout 10/91 ms, connect -, server ready -",
    "relayed 2.0 MB/s to mail servers, 0 B/s to clients",
    "",
    "LISTENER        OPEN     NEW/s   ENDED/s",
    "0.0.0.0:587        3      10.0      10.5",
    "",
    "TROUBLE                                        /s",
    "ended: refused                                2.0",
    "message: rejected                             0.5",
    "",
    "USER                         SESSIONS     BYTES  STATE       CLIENT                 MAIL SERVER",
    "ada@example.com                     2    5.0 MB  relaying    192.0.2.7:4711         10.0.0.5:25",
    "-                                   1       0 B  command     192.0.2.9:1            -",
  ]);
});

Deno.test("renderFrame() marks a name that it cuts, and says how many users it does not show", () => {
  const sessions = Array.from({ length: 20 }, (_, at) => ({
    user: `somebody-${String(at).padStart(2, "0")}@subdomain.example.com`,
    client: "192.0.2.7:4711",
    upstream: "10.0.0.5:25",
    state: "relaying",
  }));
  const lines = renderFrame(change({ total: 20, sessions }), { columns: 80, rows: 24, colour: false });
  assert.equal(lines.length, 24);
  assert.match(lines.at(-2)!, /^somebody-07@subdomain\.examp\+ +1 /);
  assert.equal(lines.at(-1), "and 12 more");
  const wide = renderFrame(change({ total: 20, sessions }), { columns: 120, rows: 40, colour: false });
  assert.match(wide.at(-1)!, /^somebody-19@subdomain\.example\.com +1 .* 10\.0\.0\.5:25$/);
});

Deno.test("renderFrame() has the latencies in one line of 80 columns", () => {
  const slow = ["callout", "upstream_connect", "upstream_open"].map((name) =>
    buckets(`postern_${name}_duration_seconds`, 0, 0, 0)
  );
  const before = readSample(10_000_000, [...metrics(1) as [], ...slow], SESSIONS, null);
  const after = ["callout", "upstream_connect", "upstream_open"].map((name) =>
    buckets(`postern_${name}_duration_seconds`, 0, 20, 20)
  );
  const now = readSample(10_002_000, after, SESSIONS, null);
  const [line] = renderFrame(new TopChange(before, now), { columns: 80, rows: 24, colour: false }).slice(4);
  assert.equal(line, "latency p50/p95: callout 55/96 ms, connect 55/96 ms, server ready 55/96 ms");
});

for (const [columns, rows] of [[20, 5], [40, 12], [1, 1], [200, 3]] as const) {
  Deno.test(`renderFrame() stays within ${columns} columns and ${rows} rows`, () => {
    const lines = renderFrame(change(), { columns, rows, colour: false });
    assert.ok(lines.length <= rows, String(lines.length));
    for (const line of lines) assert.ok(line.length <= columns, line);
  });
}

Deno.test("renderFrame() lets no name move the cursor or take more columns than it is given", () => {
  const user = "\x1b[2J\x1b[31mevil\u202e\u0301\r\n" + "漢".repeat(40);
  const sessions = { total: 1, sessions: [{ user, client: "\x07c", upstream: "u", state: "command" }] };
  const last = renderFrame(change(sessions), { columns: 106, rows: 40, colour: false }).at(-1)!;
  assert.match(last, /^\?\[2J\?\[31mevil\?\?\?\?漢{5}\+ +1 +0 B +command +\?c/);
  // deno-lint-ignore no-control-regex -- that is what must not be there
  assert.doesNotMatch(last, /[\x00-\x1f\x7f]/);
  // deno-lint-ignore no-control-regex -- that neither
  assert.doesNotMatch(renderNotice("\x1b]0;x\x07", { columns: 50, rows: 1, colour: true }).join(), /\x1b/);
});

Deno.test("renderFrame() paints where colours are wanted, without taking columns for it", () => {
  const screen = { columns: 30, rows: 40 };
  const plain = renderFrame(change(), { ...screen, colour: false });
  const painted = renderFrame(change(), { ...screen, colour: true });
  assert.ok(painted[0]!.startsWith("\x1b[1m"));
  // deno-lint-ignore no-control-regex -- the colours
  assert.deepEqual(painted.map((line) => line.replace(/\x1b\[\d+m/g, "")), plain);
});

Deno.test("a counter that began anew is counted from zero", () => {
  const before = readSample(0, metrics(5), null, null);
  const now = new TopChange(before, readSample(1000, metrics(1), null, null));
  assert.equal(now.rate("postern_sessions_started_total"), 20);
});

Deno.test("readSample() passes over what is not as it should be", () => {
  for (
    const junk of [null, 5, "x", [], [null], [{ values: 3 }], [{ name: "x", values: [null] }], {
      sessions: [null, 3],
    }]
  ) {
    const sample = readSample(0, junk, junk, junk);
    renderFrame(new TopChange(sample, sample), { columns: 80, rows: 24, colour: false });
  }
});
