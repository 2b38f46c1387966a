/**
 * The metrics in the formats that Prometheus reads, by the registry of prom-client.
 *
 * @module
 */
import { type Metric, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";
import { countedFamilies, type Family } from "./metric_families.ts";
import { MetricMemory } from "./metric_memory.ts";
import { type ProcessFacts, processFamilies } from "./process_families.ts";

/** What is told besides what was counted. */
export interface MetricSources {
  readonly process: ProcessFacts;
  readonly blocks: readonly MetricMemory[];
  /** Families that somebody else gathered just now. */
  readonly others?: readonly Family[];
}

/** Content type of {@linkcode exposeMetrics}. */
export const EXPOSITION_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** Everything in Prometheus' text format ({@linkcode EXPOSITION_TYPE}). */
export async function exposeMetrics(sources: MetricSources): Promise<string> {
  return await registryOf(sources).metrics();
}

/** The same as a value for `JSON.stringify`. */
export async function exposeMetricsAsJson(
  sources: MetricSources,
): Promise<MetricObjectWithValues<MetricValue<string>>[]> {
  return await registryOf(sources).getMetricsAsJSON();
}

/** The sum over all threads, and what the process says about itself. */
function registryOf({ process, blocks, others = [] }: MetricSources): Registry {
  const total = new MetricMemory();
  for (const block of blocks) total.add(block);
  const registry = new Registry();
  for (const family of [...processFamilies(process), ...countedFamilies(total), ...others]) {
    registry.registerMetric(collector(family));
  }
  return registry;
}

/**
 * A metric of the registry that was counted elsewhere: its own classes keep the numbers in one thread, ours lie in
 * memory of several.
 */
function collector({ name, type, help, samples }: Family): Metric {
  const values = samples.map((sample) => ({
    labels: sample.labels,
    value: sample.value,
    ...(sample.name === undefined ? {} : { metricName: sample.name }),
  }));
  const metric = { name, help, type, aggregator: "sum", values };
  return { name, get: () => Promise.resolve(metric) } as unknown as Metric;
}
