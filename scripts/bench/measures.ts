/**
 * What is measured in a run, and how it is called.
 *
 * @module
 */

/** How a measure is shown. */
interface Shown {
  readonly label: string;
  readonly decimals: number;
  /** Whether the ratio of the proxies says something. */
  readonly compared: boolean;
}

/** Names of what is measured, as in the machine-readable file, in the order of the table. */
export const MEASURES = {
  cpu_ms_per_session: { label: "CPU per session, ms", decimals: 3, compared: true },
  cpu_seconds_per_gb: { label: "CPU per GB, s", decimals: 3, compared: true },
  user_seconds: { label: "  of it user, s in all", decimals: 2, compared: false },
  system_seconds: { label: "  of it system, s in all", decimals: 2, compared: false },
  latency_p50_ms: { label: "session p50, ms", decimals: 2, compared: true },
  latency_p90_ms: { label: "session p90, ms", decimals: 2, compared: true },
  latency_p99_ms: { label: "session p99, ms", decimals: 2, compared: true },
  wall_seconds: { label: "wall time, s", decimals: 2, compared: true },
  sessions_per_second: { label: "sessions per s", decimals: 0, compared: true },
  megabytes_per_second: { label: "MB per s", decimals: 0, compared: true },
  kb_per_connection: { label: "KB per connection", decimals: 2, compared: true },
  base_mb: { label: "memory without connections, MB", decimals: 1, compared: true },
  peak_mb: { label: "peak memory, MB", decimals: 1, compared: true },
  proxy_share: { label: "cores used: proxy", decimals: 2, compared: false },
  generator_share: { label: "cores used: clients", decimals: 2, compared: false },
  sink_share: { label: "cores used: mail server", decimals: 2, compared: false },
  auth_share: { label: "cores used: auth service", decimals: 2, compared: false },
  others_share: { label: "cores used: anything else", decimals: 2, compared: false },
  machine_share: { label: "cores used: whole machine", decimals: 2, compared: false },
} as const satisfies Record<string, Shown>;

export type MeasureName = keyof typeof MEASURES;

/** What one run gave. */
export type Values = Readonly<Partial<Record<MeasureName, number>>>;

/** One run through one proxy, as the machine-readable file has it. */
export interface Run {
  /** {@linkcode Case.name} of what was run. */
  readonly case: string;
  readonly proxy: "nginx" | "postern" | "unguarded" | "floor";
  /** From 1. */
  readonly pair: number;
  /** Sessions of this kind, plain or with STARTTLS, that the same processes had served before. */
  readonly served: number;
  /** What the sink had in the end, the same as was sent. */
  readonly messages: number;
  readonly octets: number;
  readonly values: Values;
}

/** A ratio to nginx, or a number of Postern's own, that is to be reached. */
export interface Target {
  readonly measure: MeasureName;
  readonly of: "ratio" | "postern";
  readonly atMost: number;
}

/** A process that uses this much of a core has nothing left. */
const BUSY = 0.9;
/** The same for all cores together: a core is never free just when it is needed. */
const ALL_BUSY = 0.85;

/** Cores that programs besides the bench may use before they spoil wall times; the kernel's own work is in it. */
const QUIET = 0.25;

/** Whether the machine did so much else that wall times say little. */
export function isDisturbed(values: Values): boolean {
  return (values.others_share ?? 0) > QUIET;
}

/** Says what kept a run from being faster. `workers` and `cores` are how many there are. */
export function bottleneck(values: Values, workers: number, cores: number): string {
  const shares: [string, number][] = [
    ["proxy", (values.proxy_share ?? 0) / workers],
    ["clients", values.generator_share ?? 0],
    ["mail server", values.sink_share ?? 0],
    ["auth service", values.auth_share ?? 0],
  ];
  const [name, share] = shares.reduce((most, next) => next[1] > most[1] ? next : most);
  if (share >= BUSY) return name;
  return (values.machine_share ?? 0) >= ALL_BUSY * cores ? "all cores" : "waiting";
}
