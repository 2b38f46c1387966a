/**
 * The loads, as data.
 *
 * @module
 */
import type { Target } from "./measures.ts";

/** Letters for `--only`. */
export const LOADS = ["a", "b", "c", "d", "e", "f", "g", "h"] as const;
export type LoadLetter = typeof LOADS[number];

/** Loads of small things, where what the runtime costs for each is most of the whole: the floor is measured there. */
export const FLOOR_LOADS: readonly LoadLetter[] = ["a", "b", "e", "f"];
/** Those of them that a floor without TLS is made for. */
export const PLAIN_FLOOR_LOADS: readonly LoadLetter[] = ["a"];

/** What all kinds of loads have. */
interface CaseFacts {
  readonly load: LoadLetter;
  /** Unique among all cases. */
  readonly name: string;
  readonly title: string;
  /** STARTTLS and AUTH PLAIN instead of a plain session without a login. */
  readonly starttls: boolean;
  readonly workers: number;
  /** What Postern is compared with instead of nginx: itself with `smtp_guard off`. */
  readonly against?: "unguarded";
  readonly targets: readonly Target[];
}

/** As many sessions as there are, `concurrency` at a time. */
export interface SessionsCase extends CaseFacts {
  readonly kind: "sessions";
  /** Who sends and takes the messages: Postfix's programs in C, or the bench's own, which know STARTTLS. */
  readonly peers: "postfix" | "own";
  readonly sessions: number;
  readonly concurrency: number;
  /** Lengths of the messages, taken in turn. */
  readonly octets: readonly number[];
}

/** Sessions that are measured for some time, one after the other, while `clients` others are slow. */
export interface LatencyCase extends CaseFacts {
  readonly kind: "latency";
  readonly seconds: number;
  readonly clients: number;
  /** Pause before each command of the others, milliseconds. */
  readonly pauseMs: number;
  readonly octets: number;
}

/** Connections without traffic. */
export interface IdleCase extends CaseFacts {
  readonly kind: "idle";
  readonly connections: number;
}

export type Case = SessionsCase | LatencyCase | IdleCase;

const KB = 1024;
const MB = 1024 * KB;
const LARGE = [10 * MB, 20 * MB, 30 * MB, 40 * MB, 50 * MB];
const SHORT_PLAIN = {
  kind: "sessions",
  starttls: false,
  peers: "postfix",
  sessions: 8000,
  concurrency: 20,
  octets: [KB],
} as const;
const SHORT_STARTTLS = {
  kind: "sessions",
  starttls: true,
  peers: "own",
  sessions: 2000,
  concurrency: 20,
  octets: [KB],
} as const;

export const CASES: readonly Case[] = [
  {
    ...SHORT_PLAIN,
    load: "a",
    name: "a",
    title: "short sessions, plain, callout without login, 1 KB, Postfix's smtp-source and smtp-sink",
    workers: 1,
    targets: [{ measure: "cpu_ms_per_session", of: "ratio", atMost: 1 }],
  },
  {
    ...SHORT_STARTTLS,
    load: "b",
    name: "b",
    title: "short sessions, STARTTLS, AUTH PLAIN with callout, 1 KB",
    workers: 1,
    targets: [
      { measure: "cpu_ms_per_session", of: "ratio", atMost: 1 },
      { measure: "wall_seconds", of: "ratio", atMost: 0.3 },
    ],
  },
  ...[1, 5].map((concurrency): SessionsCase => ({
    ...SHORT_STARTTLS,
    load: "b",
    name: `b ${concurrency}`,
    title: `wall time of sessions as in (b), ${concurrency} at a time`,
    sessions: 100 + 100 * concurrency,
    concurrency,
    workers: 1,
    targets: [{ measure: "wall_seconds", of: "ratio", atMost: 0.3 }],
  })),
  {
    kind: "sessions",
    load: "c",
    name: "c",
    title: "large messages, plain, 10 to 50 MB",
    starttls: false,
    peers: "own",
    sessions: 160,
    concurrency: 4,
    octets: LARGE,
    workers: 1,
    targets: [{ measure: "cpu_seconds_per_gb", of: "ratio", atMost: 0.5 }],
  },
  {
    kind: "sessions",
    load: "d",
    name: "d",
    title: "large messages, STARTTLS, 10 to 50 MB",
    starttls: true,
    peers: "own",
    sessions: 80,
    concurrency: 4,
    octets: LARGE,
    workers: 1,
    targets: [{ measure: "cpu_seconds_per_gb", of: "ratio", atMost: 1 }],
  },
  {
    kind: "idle",
    load: "e",
    name: "e plain",
    title: "idle connections, plain: resident memory, without the kernel's socket buffers",
    starttls: false,
    connections: 5000,
    workers: 1,
    targets: [{ measure: "kb_per_connection", of: "postern", atMost: 5 }],
  },
  {
    kind: "idle",
    load: "e",
    name: "e TLS",
    title: "idle connections, after STARTTLS: resident memory, without the kernel's socket buffers",
    starttls: true,
    connections: 2000,
    workers: 1,
    targets: [{ measure: "kb_per_connection", of: "postern", atMost: 15 }],
  },
  {
    kind: "latency",
    load: "f",
    name: "f plain",
    title: "latency of a session while 200 others run, plain",
    starttls: false,
    seconds: 4,
    clients: 200,
    pauseMs: 100,
    octets: KB,
    workers: 1,
    targets: [{ measure: "latency_p99_ms", of: "ratio", atMost: 1 }],
  },
  {
    kind: "latency",
    load: "f",
    name: "f TLS",
    title: "latency of a session while 200 others run, STARTTLS",
    starttls: true,
    seconds: 4,
    clients: 200,
    pauseMs: 150,
    octets: KB,
    workers: 1,
    targets: [{ measure: "latency_p99_ms", of: "ratio", atMost: 1 }],
  },
  {
    ...SHORT_PLAIN,
    load: "g",
    name: "g 1",
    title: "short sessions as in (a), 1 worker",
    workers: 1,
    targets: [],
  },
  {
    ...SHORT_PLAIN,
    load: "g",
    name: "g 2",
    title: "short sessions as in (a), 2 workers",
    workers: 2,
    targets: [],
  },
  {
    kind: "sessions",
    load: "h",
    name: "h plain",
    title: "large messages as in (c), with the guard and without",
    starttls: false,
    peers: "own",
    sessions: 160,
    concurrency: 4,
    octets: LARGE,
    workers: 1,
    against: "unguarded",
    targets: [{ measure: "cpu_seconds_per_gb", of: "ratio", atMost: 1.1 }],
  },
  {
    kind: "sessions",
    load: "h",
    name: "h TLS",
    title: "large messages as in (d), with the guard and without",
    starttls: true,
    peers: "own",
    sessions: 80,
    concurrency: 4,
    octets: LARGE,
    workers: 1,
    against: "unguarded",
    targets: [{ measure: "cpu_seconds_per_gb", of: "ratio", atMost: 1.1 }],
  },
];

/**
 * Sessions that make a process which has just been started one that has run for a while, or null for loads of which
 * a single run does that.
 */
export function warmUpCase(load: SessionsCase | LatencyCase, sessions: number): SessionsCase | null {
  // Beside 200 slow clients it would take minutes.
  if (load.kind === "latency") {
    return { ...load, kind: "sessions", peers: "own", sessions, concurrency: 20, octets: [load.octets] };
  }
  return isLarge(load) ? null : { ...load, sessions };
}

/** Whether it moves so much data that sessions hardly count. */
export function isLarge(load: SessionsCase): boolean {
  return load.octets[0]! > MB;
}

/** A smaller load of the same shape, for a quick look. */
export function quickCase(load: Case): Case {
  switch (load.kind) {
    case "sessions":
      return { ...load, sessions: Math.ceil(load.sessions / 8) };
    case "latency":
      return { ...load, seconds: load.seconds / 4 };
    case "idle":
      return { ...load, connections: Math.ceil(load.connections / 4) };
  }
}
