/**
 * The metrics as README lists them: what a process would tell in which everything has happened once.
 *
 * @module
 */
import { limitFamilies } from "../src/app/limits.ts";
import { workerFamilies } from "../src/app/worker_families.ts";
import { COUNTERS } from "../src/telemetry/counters.ts";
import { countedFamilies, type Family } from "../src/telemetry/metric_families.ts";
import { MetricMemory } from "../src/telemetry/metric_memory.ts";
import { CountedMetrics } from "../src/telemetry/metrics.ts";

/** The table in Markdown, without the `process_` metrics that all processes have. */
export function metricsTable(): string {
  const rows = allFamilies().toSorted((one, other) => one.name < other.name ? -1 : 1).map((family) =>
    `| \`${family.name}\` | ${labelsOf(family)} | ${family.help} |`
  );
  return ["| Metric | Labels | Meaning |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

function allFamilies(): Family[] {
  const memory = new MetricMemory();
  const metrics = new CountedMetrics(memory);
  metrics.connectionOpened("127.0.0.1:25");
  metrics.connectionClosed("127.0.0.1:25", "quit", 1);
  metrics.command("EHLO", 250);
  metrics.auth("plain", "accepted", 1);
  const certificates = [{ file: "file.pem", notAfter: 1 }];
  const answer = { about: "pulse", heapBytes: 1, certificates } as const;
  const limits = { bans: () => 0 } as unknown as Parameters<typeof limitFamilies>[0];
  return [
    ...countedFamilies(memory),
    ...workerFamilies([{ worker: 1, answer, ms: 1 }], 0),
    ...limitFamilies(limits),
  ];
}

/** A histogram has `le` besides, as every one has. */
function labelsOf({ name, type, samples }: Family): string {
  const row = Object.entries(COUNTERS).find(([counter]) => name === `postern_${counter}_total`)?.[1];
  const labels = row === undefined
    ? type === "histogram" ? [] : Object.keys(samples[0]?.labels ?? {})
    : [row.label].flat();
  return type === "histogram" ? "a histogram" : labels.map((label) => `\`${label}\``).join(", ");
}
