/**
 * Runs a load through both proxies in turn.
 *
 * @module
 */
import { type Case, FLOOR_LOADS, PLAIN_FLOOR_LOADS } from "./cases.ts";
import type { Run } from "./measures.ts";
import type { BenchOptions } from "./options.ts";
import { PROXY_NAMES, type ProxyName } from "./proxies.ts";
import { runIdle } from "./run_idle.ts";
import { type Bed, makeBed, runSessions } from "./run_sessions.ts";
import type { Surroundings } from "./surroundings.ts";

/** Runs `load` `pairs` times through nginx and Postern in turn, and through the floor where `floor` says so. */
export async function runCase(
  load: Case,
  { pairs, floor, floorBy }: Pick<BenchOptions, "pairs" | "floor" | "floorBy">,
  surroundings: Surroundings,
): Promise<Run[]> {
  const compared: readonly ProxyName[] = load.against === undefined ? PROXY_NAMES : [load.against, "postern"];
  const floorLoads = floorBy === "deno" ? FLOOR_LOADS : PLAIN_FLOOR_LOADS;
  const names = floor && floorLoads.includes(load.load) ? [...compared, "floor" as const] : compared;
  if (load.kind === "idle") {
    return await inTurn(names, pairs, (name) => runIdle(load, name, surroundings));
  }
  const beds = new Map<ProxyName, Bed>();
  for (const name of names) beds.set(name, await makeBed(name, load, surroundings));
  const run = (name: ProxyName) => runSessions(load, beds.get(name)!, surroundings);
  // Not counted: code is compiled and pools are filled by the first run of a long-lived process.
  for (const name of names) await run(name);
  const runs = await inTurn(names, pairs, run);
  for (const bed of beds.values()) await bed.end();
  return runs;
}

async function inTurn(
  names: readonly ProxyName[],
  pairs: number,
  run: (name: ProxyName) => Promise<Omit<Run, "pair">>,
): Promise<Run[]> {
  const runs: Run[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    for (const name of names) runs.push({ ...await run(name), pair });
  }
  return runs;
}
