/**
 * The counters as text for Prometheus.
 *
 * @module
 */
import type { CounterName } from "../ports/telemetry.ts";
import { COUNTERS } from "./counters.ts";
import { formatFamily, formatHistogram, type Labels, type Sample } from "./exposition.ts";
import {
  activeOf,
  AUTH_OUTCOMES,
  CODES,
  FAILED,
  METHODS,
  MetricMemory,
  OK,
  OUTCOMES,
  VERBS,
} from "./metric_memory.ts";
import { split } from "./metrics.ts";

/** Facts of the process that the metrics tell. */
export interface ProcessFacts {
  readonly version: string;
  /** Runtime and its version, such as `deno 2.9.6`. */
  readonly runtime: string;
  /** Start of the process, seconds since the epoch. */
  readonly startedAt: number;
}

/** The sums over `blocks` in Prometheus' text format ({@linkcode EXPOSITION_TYPE}). */
export function exposeMetrics(process: ProcessFacts, blocks: readonly MetricMemory[]): string {
  const total = new MetricMemory();
  for (const block of blocks) total.add(block);
  return exposeProcess(process) + exposeConnections(total) + exposeDialogue(total) + exposeUpstream(total) +
    exposeCounters(total);
}

function exposeProcess({ version, runtime, startedAt }: ProcessFacts): string {
  return formatFamily("postern_build_info", "gauge", "Always 1; the labels tell the version.", [
    { labels: { version, runtime }, value: 1 },
  ]) +
    formatFamily("postern_process_start_time_seconds", "gauge", "Start of the process since the epoch.", [
      { labels: {}, value: startedAt },
    ]);
}

function exposeConnections(total: MetricMemory): string {
  const opened: Sample[] = [];
  const active: Sample[] = [];
  const closed: Sample[] = [];
  for (const [listener, numbers] of total.listeners.entries()) {
    opened.push({ labels: { listener }, value: numbers[0]! });
    active.push({ labels: { listener }, value: activeOf(numbers) });
    for (const [outcome, place] of Object.entries(OUTCOMES)) {
      closed.push({ labels: { listener, outcome }, value: numbers[place]! });
    }
  }
  return formatFamily("postern_connections_opened_total", "counter", "Client connections accepted.", opened) +
    formatFamily("postern_connections_active", "gauge", "Client connections that are open.", active) +
    formatFamily(
      "postern_connections_closed_total",
      "counter",
      "Client connections ended, by how.",
      closed.filter(isCounted),
    ) +
    formatHistogram("postern_session_duration_seconds", "Time from accept to close.", total.sessionSeconds);
}

function exposeDialogue(total: MetricMemory): string {
  const auth: Sample[] = [];
  for (const [method, numbers] of split(total.auth, METHODS)) {
    for (const [outcome, place] of Object.entries(AUTH_OUTCOMES)) {
      auth.push({ labels: { method, outcome }, value: numbers[place]! });
    }
  }
  const tls = [
    ...results(total.clientTls, { side: "client" }),
    ...results(total.upstreamTls, { side: "upstream" }),
  ];
  return formatFamily(
    "postern_commands_total",
    "counter",
    "Commands answered, by verb and reply code.",
    commandSamples(total),
  ) +
    formatFamily("postern_tls_handshakes_total", "counter", "TLS handshakes, by side and result.", tls) +
    formatFamily(
      "postern_auth_total",
      "counter",
      "Questions to the auth service, by answer.",
      auth.filter(isCounted),
    ) +
    formatHistogram(
      "postern_auth_duration_seconds",
      "Time the auth service took to answer.",
      total.authSeconds,
    );
}

function exposeUpstream(total: MetricMemory): string {
  const stages: Sample[] = [];
  for (const [stage, numbers] of total.stages.entries()) stages.push(...results(numbers, { stage }));
  const octets = ["to_upstream", "to_client"].map((direction, at) => ({
    labels: { direction },
    value: total.octets[at]!,
  }));
  return formatFamily(
    "postern_upstream_total",
    "counter",
    "Dialogues with mail servers, by end.",
    stages.filter(isCounted),
  ) +
    formatHistogram(
      "postern_upstream_duration_seconds",
      "Time from connecting to a mail server until it was ready or failed.",
      total.upstreamSeconds,
    ) +
    formatFamily("postern_relayed_octets_total", "counter", "Octets relayed after login.", octets);
}

function exposeCounters(total: MetricMemory): string {
  const samples = new Map<string, Sample[]>();
  for (const [key, numbers] of total.counts.entries()) {
    const [counter, value] = key.split(" ") as [CounterName, string?];
    // The one name without a label is for what found no room.
    if (value === undefined) continue;
    const list = samples.get(counter) ?? [];
    samples.set(counter, list);
    list.push({ labels: { [COUNTERS[counter].label]: value }, value: numbers[0]! });
  }
  return Object.entries(COUNTERS).map(([counter, { help }]) =>
    formatFamily(`postern_${counter}_total`, "counter", help, samples.get(counter) ?? [])
  ).join("");
}

function* commandSamples(total: MetricMemory): Generator<Sample> {
  for (const [verb, codes] of split(total.commands, VERBS)) {
    for (let code = 0; code < CODES; code++) {
      const value = codes[code]!;
      if (value > 0) yield { labels: { verb, code: code === 0 ? "other" : String(code) }, value };
    }
  }
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
