/**
 * What is in memory as families of metrics: names, labels and values, named as Prometheus' conventions have it.
 *
 * @module
 */
import type { CounterName, HistogramName } from "../ports/telemetry.ts";
import { COUNTERS, parseCountKey } from "./counters.ts";
import type { Histogram } from "./histogram.ts";
import { HISTOGRAMS } from "./histograms.ts";
import {
  activeOf,
  AUTH_OUTCOMES,
  CODES,
  FAILED,
  METHODS,
  type MetricMemory,
  OK,
  OUTCOMES,
  STATES,
  VERBS,
} from "./metric_memory.ts";
import { split } from "./metrics.ts";

/** Label names and values, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a family; `name` where it is not the family's own, as of the buckets of a histogram. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly name?: string;
}

/** A family: its name without `postern_` unless the name is one that all processes share. */
export interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence for `# HELP`. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** Writes a gauge. */
export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: "gauge", help, samples };
}

/** Writes a counter. */
export function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: "counter", help, samples };
}

/** All that is counted in `total`. */
export function countedFamilies(total: MetricMemory): Family[] {
  return [
    ...sessionFamilies(total),
    ...dialogueFamilies(total),
    ...counterFamilies(total),
    ...Object.entries(total.histograms).map(([name, histogram]) =>
      histogramFamily(name as HistogramName, histogram)
    ),
  ];
}

function sessionFamilies(total: MetricMemory): Family[] {
  const started: Sample[] = [];
  const open: Sample[] = [];
  const ended: Sample[] = [];
  for (const [listener, numbers] of total.listeners.entries()) {
    started.push({ labels: { listener }, value: numbers[0]! });
    open.push({ labels: { listener }, value: activeOf(numbers) });
    for (const [outcome, place] of Object.entries(OUTCOMES)) {
      ended.push({ labels: { listener, outcome }, value: numbers[place]! });
    }
  }
  const states = Object.entries(STATES).map(([state, place]) => ({
    labels: { state },
    value: total.states[place]!,
  }));
  return [
    counter("postern_sessions_started_total", "Client connections accepted.", started),
    counter("postern_sessions_ended_total", "Sessions ended, by how.", ended.filter(isCounted)),
    gauge("postern_sessions", "Sessions that are open.", open),
    gauge("postern_sessions_in_state", "Sessions that are open, by what is being done.", states),
  ];
}

function dialogueFamilies(total: MetricMemory): Family[] {
  const auth: Sample[] = [];
  for (const [method, numbers] of split(total.auth, METHODS)) {
    for (const [outcome, place] of Object.entries(AUTH_OUTCOMES)) {
      auth.push({ labels: { method, outcome }, value: numbers[place]! });
    }
  }
  const upstream = { ok: 0, failed: 0 };
  for (const [, numbers] of total.stages.entries()) {
    upstream.ok += numbers[OK]!;
    upstream.failed += numbers[FAILED]!;
  }
  const bytes = ["to_upstream", "to_client"].map((direction, at) => ({
    labels: { direction },
    value: total.octets[at]!,
  }));
  return [
    counter("postern_commands_total", "Commands answered, by verb and reply code.", commandSamples(total)),
    counter("postern_tls_handshakes_total", "TLS handshakes, by side and result.", [
      ...results(total.clientTls, { side: "client" }),
      ...results(total.upstreamTls, { side: "upstream" }),
    ]),
    counter("postern_auth_total", "Questions to the auth service, by answer.", auth.filter(isCounted)),
    counter("postern_upstream_dialogues_total", "Dialogues with mail servers, by result.", [
      { labels: { result: "ok" }, value: upstream.ok },
      { labels: { result: "failed" }, value: upstream.failed },
    ]),
    counter("postern_relayed_bytes_total", "Octets relayed, counted when a relay ends.", bytes),
  ];
}

function counterFamilies(total: MetricMemory): Family[] {
  const samples = new Map<CounterName, Sample[]>();
  for (const [key, numbers] of total.counts.entries()) {
    const found = parseCountKey(key);
    if (found === null) continue;
    const list = samples.get(found.counter) ?? [];
    samples.set(found.counter, list);
    list.push({ labels: found.labels, value: numbers[0]! });
  }
  return Object.entries(COUNTERS).map(([name, { help }]) =>
    counter(`postern_${name}_total`, help, samples.get(name as CounterName) ?? [])
  );
}

function histogramFamily(row: HistogramName, { bounds, counts, sum }: Histogram): Family {
  const name = `postern_${row}`;
  const samples: Sample[] = [];
  let below = 0;
  for (let index = 0; index <= bounds.length; index++) {
    below += counts[index]!;
    const bound = bounds[index];
    const le = bound === undefined ? "+Inf" : String(bound);
    samples.push({ name: `${name}_bucket`, labels: { le }, value: below });
  }
  samples.push({ name: `${name}_sum`, labels: {}, value: sum });
  samples.push({ name: `${name}_count`, labels: {}, value: below });
  return { name, type: "histogram", help: HISTOGRAMS[row].help, samples };
}

function commandSamples(total: MetricMemory): Sample[] {
  const samples: Sample[] = [];
  for (const [verb, codes] of split(total.commands, VERBS)) {
    for (let code = 0; code < CODES; code++) {
      const value = codes[code]!;
      if (value > 0) samples.push({ labels: { verb, code: code === 0 ? "other" : String(code) }, value });
    }
  }
  return samples;
}

function results(numbers: Float64Array, labels: Labels): Sample[] {
  return [
    { labels: { ...labels, result: "ok" }, value: numbers[OK]! },
    { labels: { ...labels, result: "failed" }, value: numbers[FAILED]! },
  ];
}

/** A series begins with its first count. */
function isCounted({ value }: Sample): boolean {
  return value > 0;
}
