/**
 * What `postern top` reads from the admin listener, and what has changed between two readings.
 *
 * @module
 */

/** One value of a metric. */
export interface MetricPoint {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** The name where it is not the family's own: `…_bucket`, `…_sum`, `…_count`. */
  readonly name: string;
}

/** A session, as far as it is shown. */
export interface TopSession {
  readonly user: string | null;
  readonly client: string;
  readonly upstream: string | null;
  readonly state: string;
  readonly bytes: number;
}

/** One reading. */
export interface TopSample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly points: readonly MetricPoint[];
  readonly total: number;
  readonly sessions: readonly TopSession[];
  readonly holds: number;
}

/** Takes the answers of `/metrics`, `/sessions` and `/holds` apart; what is not as it should be is passed over. */
export function readSample(at: number, metrics: unknown, sessions: unknown, holds: unknown): TopSample {
  return {
    at,
    points: list(metrics).flatMap(pointsOf),
    total: Number(field(sessions, "total") ?? 0),
    sessions: list(field(sessions, "sessions")).map(sessionOf),
    holds: list(field(holds, "holds")).length,
  };
}

function pointsOf(family: unknown): MetricPoint[] {
  const name = String(field(family, "name"));
  return list(field(family, "values")).map((value) => ({
    name: String(field(value, "metricName") ?? name),
    value: Number(field(value, "value")),
    labels: Object.fromEntries(
      Object.entries(field(value, "labels") ?? {}).map(([key, text]) => [key, String(text)]),
    ),
  }));
}

function sessionOf(session: unknown): TopSession {
  const text = (name: string) => {
    const value = field(session, name);
    return typeof value === "string" ? value : null;
  };
  const bytes = Number(field(session, "bytes_to_upstream")) + Number(field(session, "bytes_to_client"));
  return {
    user: text("user"),
    client: text("client") ?? "",
    upstream: text("upstream"),
    state: text("state") ?? "",
    bytes: Number.isFinite(bytes) ? bytes : 0,
  };
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** Two readings, one after the other. */
export class TopChange {
  readonly now: TopSample;
  readonly #before: ReadonlyMap<string, number>;
  readonly #seconds: number;

  constructor(before: TopSample, now: TopSample) {
    this.now = now;
    this.#before = new Map(before.points.map((point) => [keyOf(point), point.value]));
    this.#seconds = Math.max(0.001, (now.at - before.at) / 1000);
  }

  /** Sum of the values of `name` that `matches` takes. */
  sum(name: string, matches: Matcher = () => true): number {
    return this.#points(name, matches).reduce((sum, { value }) => sum + value, 0);
  }

  /** How much those have grown in each second. */
  rate(name: string, matches: Matcher = () => true): number {
    return this.#points(name, matches).reduce((sum, point) => sum + this.#grown(point), 0) / this.#seconds;
  }

  /** The rate for each combination of labels that has grown, largest first. */
  rates(name: string): readonly { readonly labels: MetricPoint["labels"]; readonly rate: number }[] {
    return this.#points(name, () => true)
      .map((point) => ({ labels: point.labels, rate: this.#grown(point) / this.#seconds }))
      .filter(({ rate }) => rate > 0)
      .toSorted((one, other) => other.rate - one.rate);
  }

  /** Values of a label of `name`, in their order. */
  labelValues(name: string, label: string): readonly string[] {
    return [...new Set(this.#points(name, () => true).map(({ labels }) => labels[label] ?? ""))];
  }

  /**
   * The quantile `q` of what a histogram has measured meanwhile, as Prometheus' histogram_quantile has it; null when it
   * measured nothing.
   */
  quantile(name: string, q: number): number | null {
    const buckets = this.#points(`${name}_bucket`, () => true)
      .map((point) => ({ bound: boundOf(point.labels["le"]), below: this.#grown(point) }))
      .toSorted((one, other) => one.bound - other.bound);
    const all = buckets.at(-1)?.below ?? 0;
    if (all <= 0) return null;
    const rank = q * all;
    const at = buckets.findIndex(({ below }) => below >= rank);
    const { bound, below } = buckets[at]!;
    const former = buckets[at - 1] ?? { bound: 0, below: 0 };
    if (bound === Infinity) return former.bound;
    return former.bound +
      (bound - former.bound) * (rank - former.below) / Math.max(below - former.below, 1e-9);
  }

  #points(name: string, matches: Matcher): readonly MetricPoint[] {
    return this.now.points.filter((point) => point.name === name && matches(point.labels));
  }

  /** A counter that is smaller than before began anew. */
  #grown(point: MetricPoint): number {
    const before = this.#before.get(keyOf(point)) ?? 0;
    return point.value >= before ? point.value - before : point.value;
  }
}

type Matcher = (labels: MetricPoint["labels"]) => boolean;

function boundOf(le: string | undefined): number {
  return le === "+Inf" ? Infinity : Number(le);
}

function keyOf({ name, labels }: MetricPoint): string {
  return JSON.stringify([name, Object.entries(labels).toSorted()]);
}
