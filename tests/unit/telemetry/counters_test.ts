import assert from "node:assert/strict";
import { MetricMemory } from "../../../src/telemetry/metric_memory.ts";
import { CountedMetrics } from "../../../src/telemetry/metrics.ts";
import { exposeMetrics } from "../../../src/telemetry/metrics_text.ts";

const FACTS = { version: "1", runtime: "deno 2", startedAt: 0 };

Deno.test("a counter is summed over all blocks for each of its labels", async () => {
  const [first, second] = [new MetricMemory(), new MetricMemory()];
  new CountedMetrics(first).count("messages", "accepted");
  new CountedMetrics(second).count("messages", "accepted", 2);
  new CountedMetrics(second).count("messages", "rejected");
  const text = await exposeMetrics({ process: FACTS, blocks: [first, second] });
  assert.ok(text.includes('postern_messages_total{outcome="accepted"} 3\n'));
  assert.ok(text.includes('postern_messages_total{outcome="rejected"} 1\n'));
});

Deno.test("a counter that nothing was counted with is described", async () => {
  const text = await exposeMetrics({ process: FACTS, blocks: [new MetricMemory()] });
  assert.equal(text.match(/# TYPE postern_messages_total counter\n/g)?.length, 1);
});

Deno.test("a counter may have several labels", async () => {
  const block = new MetricMemory();
  new CountedMetrics(block).count("upstream_failures", "connect|refused");
  const text = await exposeMetrics({ process: FACTS, blocks: [block] });
  assert.ok(text.includes('postern_upstream_failures_total{stage="connect",code="refused"} 1\n'));
});
