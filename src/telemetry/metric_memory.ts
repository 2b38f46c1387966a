/**
 * Where metrics are counted: one block of memory with a fixed layout, which threads can share.
 *
 * Each thread that serves counts into a block of its own, with plain additions; another thread may read it at any
 * time and add several up. (Numbers are aligned, so that none is read half written on the processors that the runtime
 * is made for.) When a worker dies, its successor goes on counting in the same block: no count is lost or goes down.
 *
 * @module
 */
import type { AuthOutcome, HistogramName, SessionOutcome, SessionState } from "../ports/telemetry.ts";
import { ENDINGS } from "./endings.ts";
import { Histogram } from "./histogram.ts";
import { HISTOGRAMS } from "./histograms.ts";
import { NamedNumbers } from "./named_numbers.ts";

/** Verbs that are counted by name; the last stands for all others. */
export const VERBS = [
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

/** Methods of authentication that are counted by name; the last stands for all others. */
export const METHODS = [
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
export const CODES = 600;

/** Places among the numbers of a listener; place 0 counts the connections opened. */
export const OUTCOMES = Object.fromEntries(
  Object.keys(ENDINGS).map((outcome, at) => [outcome, at + 1]),
) as Readonly<Record<SessionOutcome, number>>;

/** Places among the numbers of a method. */
export const AUTH_OUTCOMES: Readonly<Record<AuthOutcome, number>> = { accepted: 0, refused: 1, failed: 2 };

/** Places of the numbers of what may fail. */
export const OK = 0;
export const FAILED = 1;

/** Places of the numbers of open sessions. A row that is missing is a type error. */
export const STATES: Readonly<Record<SessionState, number>> = {
  proxy_header: 0,
  handshake: 1,
  resolving: 2,
  greeting_delay: 3,
  command: 4,
  asking: 5,
  waiting: 6,
  connecting: 7,
  relaying: 8,
  admitting: 9,
};

const HISTOGRAM_ROWS = Object.entries(HISTOGRAMS);

/** Bounds of the distinct listeners and upstream stages, both from closed sets elsewhere. */
const MAX_LISTENERS = 256;
const MAX_STAGES = 64;
/** Of all counters together, each with each of its labels. */
const MAX_COUNTS = 512;
const LISTENER_WIDTH = 1 + Object.keys(OUTCOMES).length;
const STAGE_WIDTH = 2;

/** The numbers without names of their own, in the order in which they lie in memory. */
const FIXED = {
  commands: VERBS.length * CODES,
  auth: METHODS.length * Object.keys(AUTH_OUTCOMES).length,
  clientTls: 2,
  upstreamTls: 2,
  octets: 2,
  states: Object.keys(STATES).length,
  /** Milliseconds since the epoch of the last usable answer of an auth service, then of the last failure. */
  calloutTimes: 2,
  histograms: HISTOGRAM_ROWS.reduce((sum, [, { bounds }]) => sum + Histogram.numbers(bounds), 0),
} as const;
const FIXED_OCTETS = 8 * Object.values(FIXED).reduce((sum, count) => sum + count, 0);
const LISTENERS_OCTETS = NamedNumbers.octets(MAX_LISTENERS, LISTENER_WIDTH);

/** One block of counters. */
export class MetricMemory {
  /** What another thread needs for the same block. */
  readonly memory: SharedArrayBuffer;
  /** For each of {@linkcode VERBS}, {@linkcode CODES} numbers. */
  readonly commands: Float64Array;
  /** For each of {@linkcode METHODS}, a number for each of {@linkcode AUTH_OUTCOMES}. */
  readonly auth: Float64Array;
  readonly clientTls: Float64Array;
  readonly upstreamTls: Float64Array;
  /** Octets relayed to the mail servers, then to the clients. */
  readonly octets: Float64Array;
  /** Sessions that are open, for each of {@linkcode STATES}. */
  readonly states: Float64Array;
  /** When an auth service answered last, and when it last failed: milliseconds since the epoch, 0 for never. */
  readonly calloutTimes: Float64Array;
  readonly histograms: Readonly<Record<HistogramName, Histogram>>;
  readonly listeners: NamedNumbers;
  readonly stages: NamedNumbers;
  /** One number for each counter and label ({@linkcode countKey}). */
  readonly counts: NamedNumbers;
  readonly #fixed: Float64Array;

  /** Uses the block of another thread, or a new one. */
  constructor(memory?: SharedArrayBuffer) {
    const stagesAt = FIXED_OCTETS + LISTENERS_OCTETS;
    const countsAt = stagesAt + NamedNumbers.octets(MAX_STAGES, STAGE_WIDTH);
    this.memory = memory ?? new SharedArrayBuffer(countsAt + NamedNumbers.octets(MAX_COUNTS, 1));
    this.#fixed = new Float64Array(this.memory, 0, FIXED_OCTETS / 8);
    let used = 0;
    const take = (count: number) => this.#fixed.subarray(used, used += count);
    this.commands = take(FIXED.commands);
    this.auth = take(FIXED.auth);
    this.clientTls = take(FIXED.clientTls);
    this.upstreamTls = take(FIXED.upstreamTls);
    this.octets = take(FIXED.octets);
    this.states = take(FIXED.states);
    this.calloutTimes = take(FIXED.calloutTimes);
    this.histograms = Object.fromEntries(HISTOGRAM_ROWS.map(([name, { bounds }]) => [
      name,
      new Histogram(bounds, take(Histogram.numbers(bounds))),
    ])) as Record<HistogramName, Histogram>;
    this.listeners = new NamedNumbers(this.memory, FIXED_OCTETS, MAX_LISTENERS, LISTENER_WIDTH);
    this.stages = new NamedNumbers(this.memory, stagesAt, MAX_STAGES, STAGE_WIDTH);
    this.counts = new NamedNumbers(this.memory, countsAt, MAX_COUNTS, 1);
  }

  /** Adds all that `other` has. Of times the latest counts. */
  add(other: MetricMemory): void {
    const times = this.calloutTimes.map((time, at) => Math.max(time, other.calloutTimes[at]!));
    addAll(this.#fixed, other.#fixed);
    this.calloutTimes.set(times);
    for (const [name, numbers] of other.listeners.entries()) addAll(this.listeners.of(name), numbers);
    for (const [name, numbers] of other.stages.entries()) addAll(this.stages.of(name), numbers);
    for (const [name, numbers] of other.counts.entries()) addAll(this.counts.of(name), numbers);
  }

  /** Connections that are open now. */
  get active(): number {
    let sum = 0;
    for (const [, numbers] of this.listeners.entries()) sum += activeOf(numbers);
    return sum;
  }

  /** Counts the open connections as ended by an internal error, and tells how many: the thread that had them died. */
  abandon(): number {
    const lost = this.active;
    for (const [, numbers] of this.listeners.entries()) {
      numbers[OUTCOMES.internal_error]! += activeOf(numbers);
    }
    this.states.fill(0);
    return lost;
  }
}

/** Of the numbers of a listener: what was opened and not closed. */
export function activeOf(numbers: Float64Array): number {
  let active = numbers[0]!;
  for (let place = 1; place < numbers.length; place++) active -= numbers[place]!;
  return active;
}

function addAll(to: Float64Array, from: Float64Array): void {
  for (let index = 0; index < from.length; index++) to[index]! += from[index]!;
}
