/**
 * Text exposition format of Prometheus, version 0.0.4.
 *
 * @module
 */

/** Content type of the format. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Label names and values, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a family. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Formats a counter or gauge with all its values; a family without values is still described. */
export function formatFamily(
  name: string,
  kind: "counter" | "gauge",
  help: string,
  samples: Iterable<Sample>,
): string {
  let text = header(name, kind, help);
  for (const { labels, value } of samples) text += formatSample(name, labels, value);
  return text;
}

/** Observations counted per bucket; made by {@linkcode Histogram}. */
export interface HistogramState {
  /** Upper bounds of the buckets, ascending, without the infinite one. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative, one more than bounds. */
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

/** Formats a histogram without labels. */
export function formatHistogram(name: string, help: string, histogram: HistogramState): string {
  let text = header(name, "histogram", help);
  let below = 0;
  for (let index = 0; index <= histogram.bounds.length; index++) {
    below += histogram.counts[index] ?? 0;
    const bound = histogram.bounds[index];
    const le = bound === undefined ? "+Inf" : String(bound);
    text += formatSample(`${name}_bucket`, { le }, below);
  }
  return text + formatSample(`${name}_sum`, {}, histogram.sum) + formatSample(`${name}_count`, {}, below);
}

function header(name: string, kind: string, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
}

function formatSample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`).join(",");
  return pairs === "" ? `${name} ${value}\n` : `${name}{${pairs}} ${value}\n`;
}

function escapeLabel(text: string): string {
  return text.replace(/["\\\n]/g, (unit) => unit === "\n" ? "\\n" : "\\" + unit);
}
