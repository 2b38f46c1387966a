/**
 * The command line of the bench.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type LoadLetter, LOADS } from "./cases.ts";

export const USAGE =
  `usage: deno task bench [--only a,b,...] [--pairs N] [--warm N] [--quick] [--floor [--floor-by WAY]] [--json FILE]
  --only   loads to run: a to h, all by default
  --pairs  how often each load goes through nginx and Postern in turn: 5 by default, 2 with --quick
  --warm   short sessions that each proxy serves before the first that count, (a), (b), (f), (g): 20000 by default, 0
           with --quick; one run of a load is never counted
  --quick  a small part of each load: numbers to look at, not to publish
  --floor  measures besides, for loads of small things, a proxy that knows no SMTP: what the runtime alone costs
  --floor-by  what it is made of: deno (as Postern, the default), session (the same, and after each session one of
           Postern's without sockets), handles (of node:net), libc (by FFI) or libc-thread (the same, but another
           thread waits, so that the runtime can go on); all but the first two serve load a alone
  --json   file for the numbers of every run: postern-bench.json in the folder for temporary files by default
`;

/** What the floor is made of. */
export const FLOOR_WAYS = ["deno", "session", "handles", "libc", "libc-thread"] as const;
export type FloorWay = typeof FLOOR_WAYS[number];

export interface BenchOptions {
  readonly only: readonly LoadLetter[];
  readonly pairs: number;
  /** Sessions that a proxy serves before the first counted pair. */
  readonly warm: number;
  readonly quick: boolean;
  readonly floor: boolean;
  readonly floorBy: FloorWay;
  readonly json: string;
}

const MAX_PAIRS = 50;
const MAX_WARM = 1_000_000;

/**
 * Reads the arguments.
 * @throws {Error} that says what is wrong with them.
 */
export function parseBenchOptions(args: string[], temporaryFolder: string): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string" },
      pairs: { type: "string" },
      warm: { type: "string" },
      quick: { type: "boolean", default: false },
      floor: { type: "boolean", default: false },
      "floor-by": { type: "string", default: "deno" },
      json: { type: "string", default: `${temporaryFolder}/postern-bench.json` },
    },
  });
  const floorBy = FLOOR_WAYS.find((way) => way === values["floor-by"]);
  if (floorBy === undefined) {
    throw new Error(`--floor-by: expected one of ${FLOOR_WAYS.join(", ")}, received ${values["floor-by"]}`);
  }
  return {
    only: parseLoads(values.only),
    pairs: parseCount("--pairs", values.pairs ?? (values.quick ? "2" : "5"), 1, MAX_PAIRS),
    warm: parseCount("--warm", values.warm ?? (values.quick ? "0" : "20000"), 0, MAX_WARM),
    quick: values.quick,
    floor: values.floor,
    floorBy,
    json: values.json,
  };
}

function parseCount(option: string, text: string, least: number, most: number): number {
  const count = Number(text);
  if (text.trim() === "" || !Number.isInteger(count) || count < least || count > most) {
    throw new Error(`${option}: expected ${least} to ${most}, received ${text}`);
  }
  return count;
}

function parseLoads(only: string | undefined): readonly LoadLetter[] {
  if (only === undefined) return LOADS;
  return only.split(",").map((letter) => {
    const load = LOADS.find((known) => known === letter.trim());
    if (load === undefined) {
      throw new Error(`--only: expected letters of ${LOADS.join(",")}, received ${letter}`);
    }
    return load;
  });
}
