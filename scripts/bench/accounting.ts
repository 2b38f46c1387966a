/**
 * What processes cost, from `/proc`.
 *
 * @module
 */
import {
  type MachineTicks,
  parseMachineTicks,
  parseProcessMemory,
  parseProcessStat,
  type ProcessMemory,
} from "./proc_text.ts";

/** Linux's USER_HZ, the same on all machines that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time, seconds. */
export interface CpuTime {
  readonly user: number;
  readonly system: number;
}

/** CPU time of all threads of the processes since they began. */
export function cpuTime(pids: readonly number[]): CpuTime {
  let user = 0;
  let system = 0;
  for (const pid of pids) {
    const stat = parseProcessStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
    user += stat.userTicks;
    system += stat.systemTicks;
  }
  return { user: user / TICKS_PER_SECOND, system: system / TICKS_PER_SECOND };
}

/** What was used between two readings. */
export function cpuBetween(before: CpuTime, after: CpuTime): CpuTime {
  return { user: after.user - before.user, system: after.system - before.system };
}

/** Memory of the processes together; kernel memory (socket buffers) is not in it. */
export function memory(pids: readonly number[]): ProcessMemory {
  let resident = 0;
  let peakResident = 0;
  for (const pid of pids) {
    const status = parseProcessMemory(Deno.readTextFileSync(`/proc/${pid}/status`));
    resident += status.resident;
    peakResident += status.peakResident;
  }
  return { resident, peakResident };
}

/** Makes the peak of memory begin again (proc(5), clear_refs). */
export function resetPeak(pids: readonly number[]): void {
  for (const pid of pids) Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Descriptors that a process has open. */
export function openDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Time of all cores since the machine began. */
export function machineTicks(): MachineTicks {
  return parseMachineTicks(Deno.readTextFileSync("/proc/stat"));
}

/** Share of all cores' time that was used between two readings, 0 to 1, by whomever. */
export function machineBusy(before: MachineTicks, after: MachineTicks): number {
  const total = after.total - before.total;
  return total === 0 ? 0 : 1 - (after.idle - before.idle) / total;
}

/** Processes whose parent is `pid`. */
export function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readIfThere(`/proc/${name}/stat`);
    if (stat !== null && parseProcessStat(stat).parent === pid) children.push(Number(name));
  }
  return children;
}

function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // The process has ended since the directory was read.
    return null;
  }
}
