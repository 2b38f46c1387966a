/**
 * The limits of the process: where counts are kept, for all of its threads.
 *
 * @module
 */
import type { LimitPorts } from "../driver/session_limits.ts";
import { credentialMark, newMarkKey } from "../limits/credential_mark.ts";
import { MemoryLimitStore } from "../limits/memory_store.ts";
import type { LimitStore } from "../ports/limit_store.ts";
import type { Metrics } from "../ports/telemetry.ts";
import { type Family, gauge } from "../telemetry/metric_families.ts";

/** The limits where they are kept. */
export interface ProcessLimits {
  readonly store: LimitStore;
  /** Of the marks of credentials, for all threads. */
  readonly markKey: Uint8Array;
  /** Bans that hold now, or null where that is not known. */
  readonly bans: () => number | null;
}

/** Opens the store of limits. It costs nothing while nobody asks. */
export function openLimits({ metrics }: { readonly metrics: Metrics }): ProcessLimits {
  const store = new MemoryLimitStore({
    now: () => performance.now(),
    forgot: (family) => metrics.count("limit_forgotten", family.replace(" ", "_")),
  });
  return { store, markKey: newMarkKey(), bans: () => store.bans };
}

/** What metrics tell about the limits besides what was counted. */
export function limitFamilies({ bans }: ProcessLimits): Family[] {
  const value = bans();
  if (value === null) return [];
  return [gauge("postern_login_bans", "Addresses and users that are banned after failed logins.", [
    { labels: {}, value },
  ])];
}

/** What servers limit with, in the thread that keeps the counts or another one. */
export function limitPorts({ store, markKey }: Pick<ProcessLimits, "store" | "markKey">): LimitPorts {
  return { store, mark: credentialMark(markKey) };
}
