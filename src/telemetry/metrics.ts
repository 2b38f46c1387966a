/**
 * Counting.
 *
 * It happens for every command and every relayed chunk: it is a look-up and an increment of a number, text is made only
 * when somebody asks. Label values come from closed sets; what is not in them is counted as `other`, so that no peer
 * can make the process keep more numbers.
 *
 * @module
 */
import type {
  AuthOutcome,
  CounterName,
  HistogramName,
  Metrics,
  SessionOutcome,
  SessionState,
} from "../ports/telemetry.ts";
import { countKey } from "./counters.ts";
import {
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

/** {@linkcode Metrics} kept as plain numbers. */
export class CountedMetrics implements Metrics {
  readonly #memory: MetricMemory;
  readonly #commands: ReadonlyMap<string, Float64Array>;
  readonly #otherCommands: Float64Array;
  readonly #auth: ReadonlyMap<string, Float64Array>;
  readonly #otherAuth: Float64Array;

  constructor(memory: MetricMemory) {
    this.#memory = memory;
    this.#commands = split(memory.commands, VERBS);
    this.#otherCommands = this.#commands.get("other")!;
    this.#auth = split(memory.auth, METHODS);
    this.#otherAuth = this.#auth.get("other")!;
  }

  count(counter: CounterName, label: string, by = 1): void {
    this.#memory.counts.of(countKey(counter, label))[0]! += by;
  }

  observe(histogram: HistogramName, value: number): void {
    this.#memory.histograms[histogram].observe(value);
  }

  moved(from: SessionState | null, to: SessionState | null): void {
    const { states } = this.#memory;
    if (from !== null) states[STATES[from]]! -= 1;
    if (to !== null) states[STATES[to]]! += 1;
  }

  connectionOpened(listener: string): void {
    this.#memory.listeners.of(listener)[0]! += 1;
  }

  connectionClosed(listener: string, outcome: SessionOutcome, seconds: number): void {
    this.#memory.listeners.of(listener)[OUTCOMES[outcome]]! += 1;
    this.observe("session_duration_seconds", seconds);
  }

  command(verb: string, code: number): void {
    const codes = this.#commands.get(verb) ?? this.#otherCommands;
    codes[code >= 200 && code < CODES ? code : 0]! += 1;
  }

  tlsHandshake(side: "client" | "upstream", ok: boolean): void {
    const results = side === "client" ? this.#memory.clientTls : this.#memory.upstreamTls;
    results[ok ? OK : FAILED]! += 1;
  }

  auth(method: string, outcome: AuthOutcome, seconds: number): void {
    (this.#auth.get(method) ?? this.#otherAuth)[AUTH_OUTCOMES[outcome]]! += 1;
    this.observe("callout_duration_seconds", seconds);
    this.#memory.calloutTimes[outcome === "failed" ? FAILED : OK] = Date.now();
  }

  upstream(ok: boolean, stage: string, seconds: number): void {
    this.#memory.stages.of(stage)[ok ? OK : FAILED]! += 1;
    this.observe("upstream_open_duration_seconds", seconds);
  }

  relayed(direction: "to_upstream" | "to_client", octets: number): void {
    this.#memory.octets[direction === "to_upstream" ? 0 : 1]! += octets;
  }
}

/** The numbers of each of `names`, which lie one after the other. */
export function split(numbers: Float64Array, names: readonly string[]): Map<string, Float64Array> {
  const width = numbers.length / names.length;
  return new Map(names.map((name, at) => [name, numbers.subarray(at * width, (at + 1) * width)]));
}

/** Counts nothing. */
export const NO_METRICS: Metrics = Object.freeze({
  count: () => {},
  observe: () => {},
  moved: () => {},
  connectionOpened: () => {},
  connectionClosed: () => {},
  command: () => {},
  tlsHandshake: () => {},
  auth: () => {},
  upstream: () => {},
  relayed: () => {},
});
