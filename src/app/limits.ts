/**
 * The limits of the process: where counts are kept, for all of its threads.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { MainSettings } from "../config/settings.ts";
import type { LimitPorts } from "../driver/session_limits.ts";
import { createDialer } from "../io/dialer.ts";
import { credentialMark, newMarkKey } from "../limits/credential_mark.ts";
import { MemoryLimitStore } from "../limits/memory_store.ts";
import { RedisLimitStore } from "../limits/redis_store.ts";
import type { Clock } from "../ports/clock.ts";
import type { LimitStore } from "../ports/limit_store.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { type Family, gauge } from "../telemetry/metric_families.ts";

/** The limits where they are kept. */
export interface ProcessLimits {
  readonly store: LimitStore;
  /** Of the marks of credentials, for all threads. */
  readonly markKey: Uint8Array;
  /** Bans that hold now, or null where that is not known. */
  readonly bans: () => number | null;
}

/** What the store is told with. */
export interface LimitStorePorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count">;
}

/**
 * Opens the store that the configuration names. The one in memory costs nothing while nobody asks.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when a file is gone since the configuration was checked.
 */
export async function openLimits(main: MainSettings, ports: LimitStorePorts): Promise<ProcessLimits> {
  if (main.limit_store.kind === "memory") return limitsInMemory(ports.metrics);
  const { address, tls, user, password, database } = main.limit_store;
  const passwordFile = main.limit_store_password_file;
  const trusted = main.limit_store_ssl_trusted_certificate;
  const target = {
    address,
    tls,
    user,
    database,
    password: passwordFile === null ? password : (await Deno.readTextFile(passwordFile)).trim(),
    trustedCertificates: trusted === null ? null : await Deno.readTextFile(trusted),
  };
  const failure = main.limit_store_failure;
  const store = new RedisLimitStore({
    target,
    connector: createDialer(),
    timeoutMs: main.limit_store_timeout,
    clock: ports.clock,
    open: failure === "open",
    unanswered: () => ports.metrics.count("limit_store", failure === "open" ? "let_in" : "refused"),
    changed: outageLog(formatSocketAddress(address), failure, ports),
  });
  return { store, markKey: newMarkKey(), bans: () => null };
}

/** Counts of this process alone. */
export function limitsInMemory(metrics: Pick<Metrics, "count">): ProcessLimits {
  const store = new MemoryLimitStore({
    now: () => performance.now(),
    forgot: (family) => metrics.count("limit_forgotten", family.replace(" ", "_")),
  });
  return { store, markKey: newMarkKey(), bans: () => store.bans };
}

/** Tells of each outage when it begins and when it ends. */
function outageLog(
  server: string,
  failure: MainSettings["limit_store_failure"],
  { log, clock }: LimitStorePorts,
): (reason: string | null) => void {
  let began = 0;
  const meanwhile = failure === "open" ? "clients are let in uncounted" : "clients are sent away";
  return (reason) => {
    if (reason !== null) {
      began = clock.now();
      const message = `the store of limits is away, ${meanwhile}: ${reason}`;
      return log.event("error", "limit_store_failed", message, null, { server, failure });
    }
    const seconds = (clock.now() - began) / 1000;
    log.event("notice", "limit_store_back", "the store of limits answers again", null, { server, seconds });
  };
}

/** What metrics tell about the limits besides what was counted. */
export function limitFamilies({ bans }: Pick<ProcessLimits, "bans">): Family[] {
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
