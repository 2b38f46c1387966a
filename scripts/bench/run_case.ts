/**
 * Runs a load through both proxies in turn.
 *
 * @module
 */
import type { Case, IdleCase } from "./cases.ts";
import type { Run } from "./measures.ts";
import { PROXY_NAMES, type ProxyName } from "./proxies.ts";
import { runIdle } from "./run_idle.ts";
import { type Bed, makeBed, runSessions } from "./run_sessions.ts";
import type { Surroundings } from "./surroundings.ts";

/** Runs `load` `pairs` times through nginx and Postern in turn. */
export async function runCase(load: Case, pairs: number, surroundings: Surroundings): Promise<Run[]> {
  if (load.kind === "idle") return await runIdlePairs(load, pairs, surroundings);
  const beds: Record<ProxyName, Bed> = {
    nginx: await makeBed("nginx", load, surroundings),
    postern: await makeBed("postern", load, surroundings),
  };
  // Not counted: code is compiled and pools are filled by the first run of a long-lived process.
  for (const name of PROXY_NAMES) await runSessions(load, beds[name], surroundings);
  const runs = await inTurn(pairs, (name) => runSessions(load, beds[name], surroundings));
  for (const name of PROXY_NAMES) await beds[name].end();
  return runs;
}

function runIdlePairs(load: IdleCase, pairs: number, surroundings: Surroundings): Promise<Run[]> {
  return inTurn(pairs, (name) => runIdle(load, name, surroundings));
}

async function inTurn(pairs: number, run: (name: ProxyName) => Promise<Omit<Run, "pair">>): Promise<Run[]> {
  const runs: Run[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    for (const name of PROXY_NAMES) runs.push({ ...await run(name), pair });
  }
  return runs;
}
