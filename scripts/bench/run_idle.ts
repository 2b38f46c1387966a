/**
 * Holds connections open at a proxy and measures its memory.
 *
 * @module
 */
import { memory } from "./accounting.ts";
import type { IdleCase } from "./cases.ts";
import { type ProxyName, startProxy } from "./proxies.ts";
import type { RunResult } from "./run_sessions.ts";
import { type Surroundings, targetOf } from "./surroundings.ts";

/** Connections before the base is measured: what the first ones bring about is not the price of the others. */
const WARM_UP_CONNECTIONS = 100;
/** How long a proxy may settle before its memory is read, milliseconds. */
const SETTLE_MS = 1500;

/** One run, with a proxy of its own: memory that was used is not always given back. */
export async function runIdle(
  load: IdleCase,
  name: ProxyName,
  surroundings: Surroundings,
): Promise<RunResult> {
  const { idle } = surroundings;
  const proxy = await startProxy(name, { ...surroundings, workers: load.workers });
  const target = targetOf(proxy, surroundings, load);
  try {
    await idle.ask({ do: "open", target, connections: WARM_UP_CONNECTIONS });
    await idle.ask({ do: "close" });
    const base = await settledMemory(proxy.pids);
    await idle.ask({ do: "open", target, connections: load.connections });
    const resident = await settledMemory(proxy.pids);
    return {
      case: load.name,
      proxy: name,
      served: 0,
      messages: 0,
      octets: 0,
      values: {
        kb_per_connection: (resident - base) / load.connections / 1024,
        base_mb: base / 2 ** 20,
        peak_mb: memory(proxy.pids).peakResident / 2 ** 20,
      },
    };
  } finally {
    await idle.ask({ do: "close" });
    await proxy.end();
  }
}

/** Resident memory, octets, once nothing moves any more. */
async function settledMemory(pids: readonly number[]): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return memory(pids).resident;
}
