/**
 * What the process says about itself, under the names that all of Prometheus' client libraries give it.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { counter, type Family, gauge } from "./metric_families.ts";

/** Facts of the process that do not change. */
export interface ProcessFacts {
  readonly version: string;
  /** Runtime and its version, such as `deno 2.9.6`. */
  readonly runtime: string;
  /** Start of the process, seconds since the epoch. */
  readonly startedAt: number;
}

/** The facts, and what the process uses now. */
export function processFamilies({ version, runtime, startedAt }: ProcessFacts): Family[] {
  const { user, system } = cpuUsage();
  const families = [
    gauge("postern_build_info", "Always 1; the labels tell the version.", [
      { labels: { version, runtime }, value: 1 },
    ]),
    gauge("process_start_time_seconds", "Start of the process since the epoch.", [
      { labels: {}, value: startedAt },
    ]),
    counter("process_cpu_seconds_total", "CPU time of all threads, of the user and the system.", [
      { labels: {}, value: (user + system) / 1e6 },
    ]),
    gauge("process_resident_memory_bytes", "Memory of all threads that is not swapped out.", [
      { labels: {}, value: Deno.memoryUsage().rss },
    ]),
  ];
  const open = openDescriptors();
  if (open !== null) {
    families.push(
      gauge("process_open_fds", "File descriptors that are open.", [{ labels: {}, value: open }]),
    );
  }
  return families;
}

/** Null where the system does not tell, or where the runtime may not look (`/proc` needs all permissions). */
function openDescriptors(): number | null {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length;
  } catch {
    return null;
  }
}
