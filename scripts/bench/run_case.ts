/**
 * Runs a load through both proxies in turn.
 *
 * @module
 */
import type { Bed, Beds, MeasuredCase } from "./beds.ts";
import { type Case, FLOOR_LOADS, PLAIN_FLOOR_LOADS, warmUpCase } from "./cases.ts";
import type { Run } from "./measures.ts";
import type { BenchOptions } from "./options.ts";
import { PROXY_NAMES, type ProxyName, servesTls } from "./proxies.ts";
import { runIdle } from "./run_idle.ts";
import { runSessions } from "./run_sessions.ts";
import type { Surroundings } from "./surroundings.ts";

/** Most sessions of one run that makes a proxy warm: what its clients leave open is closed between two. */
const WARM_UP_SESSIONS = 3000;

/** Runs `load` `pairs` times through nginx and Postern in turn, and through the floor where `floor` says so. */
export async function runCase(
  load: Case,
  options: Pick<BenchOptions, "pairs" | "warm" | "floor" | "floorBy">,
  surroundings: Surroundings,
  beds: Beds,
): Promise<Run[]> {
  const { pairs, warm, floor, floorBy } = options;
  const compared: readonly ProxyName[] = load.against === undefined ? PROXY_NAMES : [load.against, "postern"];
  const floorLoads = servesTls(floorBy) ? FLOOR_LOADS : PLAIN_FLOOR_LOADS;
  const names = floor && floorLoads.includes(load.load) ? [...compared, "floor" as const] : compared;
  if (load.kind === "idle") {
    return await inTurn(names, pairs, (name) => runIdle(load, name, surroundings));
  }
  const run = async (name: ProxyName) => await runSessions(load, await beds.of(name, load), surroundings);
  for (const name of names) {
    await warmUp(load, warm, await beds.of(name, load), surroundings);
    // Not counted either: pools are filled by the first run of this very load.
    await run(name);
  }
  const runs = await inTurn(names, pairs, run);
  for (const name of names) await beds.release(name, load);
  return runs;
}

/**
 * Lets a proxy serve so many sessions of the load's kind, if it has not yet: V8 compiles for tens of thousands of
 * sessions, and a proxy that runs for weeks has them behind it.
 */
async function warmUp(
  load: MeasuredCase,
  sessions: number,
  bed: Bed,
  surroundings: Surroundings,
): Promise<void> {
  for (;;) {
    const missing = Math.min(WARM_UP_SESSIONS, sessions - bed.served(load));
    const part = missing > 0 ? warmUpCase(load, missing) : null;
    if (part === null) return;
    await runSessions(part, bed, surroundings);
  }
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
