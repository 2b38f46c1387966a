/**
 * Counters of the process, exposed as Prometheus text.
 *
 * Counting happens for every command and every relayed chunk: it is a look-up and an increment of a number, text is
 * made only when somebody asks. Label values come from closed sets; what is not in them is counted as `other`, so
 * that no peer can make the process keep more numbers.
 *
 * @module
 */
import type { AuthOutcome, Metrics, SessionOutcome } from "../ports/telemetry.ts";
import { ListenerCounters, NamedCounters, ResultCounters } from "./counters.ts";
import { formatFamily, formatHistogram, type Sample } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

const VERBS = [
  "HELO",
  "EHLO",
  "STARTTLS",
  "AUTH",
  "MAIL",
  "RCPT",
  "DATA",
  "BDAT",
  "RSET",
  "NOOP",
  "QUIT",
  "VRFY",
  "EXPN",
  "HELP",
  "ETRN",
  "XCLIENT",
  "other",
] as const;
const METHODS = [
  "plain",
  "login",
  "cram-md5",
  "external",
  "none",
  "xoauth2",
  "oauthbearer",
  "other",
] as const;

/** Reply codes are three digits (RFC 5321 §4.2); index 0 is for anything else. */
const CODES = 600;

const SESSION_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400];
const AUTH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const UPSTREAM_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Facts of the process that the metrics tell. */
export interface ProcessFacts {
  readonly version: string;
  /** Runtime and its version, such as `deno 2.9.6`. */
  readonly runtime: string;
  /** Start of the process, seconds since the epoch. */
  readonly startedAt: number;
}

/** {@linkcode Metrics} kept as plain numbers. */
export class PrometheusMetrics implements Metrics {
  readonly #process: ProcessFacts;
  readonly #listeners = new NamedCounters(() => new ListenerCounters());
  readonly #sessionSeconds = new Histogram(SESSION_SECONDS);
  readonly #commands = new Map<string, Float64Array>();
  readonly #otherCommands: Float64Array;
  readonly #tls = { client: new ResultCounters(), upstream: new ResultCounters() };
  readonly #auth = new Map<string, Record<AuthOutcome, number>>();
  readonly #otherAuth: Record<AuthOutcome, number>;
  readonly #authSeconds = new Histogram(AUTH_SECONDS);
  readonly #upstream = new NamedCounters(() => new ResultCounters());
  readonly #upstreamSeconds = new Histogram(UPSTREAM_SECONDS);
  readonly #octets = { to_upstream: 0, to_client: 0 };

  constructor(process: ProcessFacts) {
    this.#process = process;
    for (const verb of VERBS) this.#commands.set(verb, new Float64Array(CODES));
    for (const method of METHODS) this.#auth.set(method, { accepted: 0, refused: 0, failed: 0 });
    this.#otherCommands = this.#commands.get("other")!;
    this.#otherAuth = this.#auth.get("other")!;
  }

  connectionOpened(listener: string): void {
    this.#listeners.of(listener).opened++;
  }

  connectionClosed(listener: string, outcome: SessionOutcome, seconds: number): void {
    this.#listeners.of(listener).closed[outcome]++;
    this.#sessionSeconds.observe(seconds);
  }

  command(verb: string, code: number): void {
    const codes = this.#commands.get(verb) ?? this.#otherCommands;
    codes[code >= 200 && code < CODES ? code : 0]! += 1;
  }

  tlsHandshake(side: "client" | "upstream", ok: boolean): void {
    this.#tls[side].count(ok);
  }

  auth(method: string, outcome: AuthOutcome, seconds: number): void {
    (this.#auth.get(method) ?? this.#otherAuth)[outcome]++;
    this.#authSeconds.observe(seconds);
  }

  upstream(ok: boolean, stage: string, seconds: number): void {
    this.#upstream.of(stage).count(ok);
    this.#upstreamSeconds.observe(seconds);
  }

  relayed(direction: "to_upstream" | "to_client", octets: number): void {
    this.#octets[direction] += octets;
  }

  /** All metrics in Prometheus' text format ({@linkcode EXPOSITION_TYPE}). */
  expose(): string {
    return this.#exposeProcess() + this.#exposeConnections() + this.#exposeDialogue() +
      this.#exposeUpstream();
  }

  #exposeProcess(): string {
    const { version, runtime, startedAt } = this.#process;
    return formatFamily("postern_build_info", "gauge", "Always 1; the labels tell the version.", [
      { labels: { version, runtime }, value: 1 },
    ]) +
      formatFamily("postern_process_start_time_seconds", "gauge", "Start of the process since the epoch.", [
        { labels: {}, value: startedAt },
      ]);
  }

  #exposeConnections(): string {
    const opened: Sample[] = [];
    const active: Sample[] = [];
    const closed: Sample[] = [];
    for (const [listener, counters] of this.#listeners.entries()) {
      let ended = 0;
      for (const [outcome, value] of Object.entries(counters.closed)) {
        ended += value;
        if (value > 0) closed.push({ labels: { listener, outcome }, value });
      }
      opened.push({ labels: { listener }, value: counters.opened });
      active.push({ labels: { listener }, value: counters.opened - ended });
    }
    return formatFamily(
      "postern_connections_opened_total",
      "counter",
      "Client connections accepted.",
      opened,
    ) +
      formatFamily("postern_connections_active", "gauge", "Client connections that are open.", active) +
      formatFamily(
        "postern_connections_closed_total",
        "counter",
        "Client connections ended, by how.",
        closed,
      ) +
      formatHistogram(
        "postern_session_duration_seconds",
        "Time from accept to close.",
        this.#sessionSeconds,
      );
  }

  #exposeDialogue(): string {
    const auth: Sample[] = [];
    for (const [method, outcomes] of this.#auth) {
      for (const [outcome, value] of Object.entries(outcomes)) {
        if (value > 0) auth.push({ labels: { method, outcome }, value });
      }
    }
    const tls = [
      ...this.#tls.client.samples("side", "client"),
      ...this.#tls.upstream.samples("side", "upstream"),
    ];
    return formatFamily(
      "postern_commands_total",
      "counter",
      "Commands answered, by verb and reply code.",
      this.#commandSamples(),
    ) +
      formatFamily("postern_tls_handshakes_total", "counter", "TLS handshakes, by side and result.", tls) +
      formatFamily("postern_auth_total", "counter", "Questions to the auth service, by answer.", auth) +
      formatHistogram(
        "postern_auth_duration_seconds",
        "Time the auth service took to answer.",
        this.#authSeconds,
      );
  }

  #exposeUpstream(): string {
    const stages: Sample[] = [];
    for (const [stage, counters] of this.#upstream.entries()) {
      stages.push(...counters.samples("stage", stage).filter(({ value }) => value > 0));
    }
    const octets = Object.entries(this.#octets).map(([direction, value]) => ({
      labels: { direction },
      value,
    }));
    return formatFamily("postern_upstream_total", "counter", "Dialogues with mail servers, by end.", stages) +
      formatHistogram(
        "postern_upstream_duration_seconds",
        "Time from connecting to a mail server until it was ready or failed.",
        this.#upstreamSeconds,
      ) +
      formatFamily("postern_relayed_octets_total", "counter", "Octets relayed after login.", octets);
  }

  *#commandSamples(): Generator<Sample> {
    for (const [verb, codes] of this.#commands) {
      for (let code = 0; code < CODES; code++) {
        const value = codes[code]!;
        if (value > 0) yield { labels: { verb, code: code === 0 ? "other" : String(code) }, value };
      }
    }
  }
}

/** Counts nothing. */
export const NO_METRICS: Metrics = Object.freeze({
  connectionOpened: () => {},
  connectionClosed: () => {},
  command: () => {},
  tlsHandshake: () => {},
  auth: () => {},
  upstream: () => {},
  relayed: () => {},
});
