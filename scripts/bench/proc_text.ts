/**
 * The accounting of the operating system, as the files of `/proc` have it.
 *
 * @module
 */

/** Fields of `/proc/PID/stat`; times in ticks (proc(5): 100 in a second). */
export interface ProcessStat {
  readonly parent: number;
  /** Of all threads, those that have ended too. */
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** Fields of `/proc/PID/status`, octets. */
export interface ProcessMemory {
  readonly resident: number;
  /** The most that was resident since the process began, or since the mark was reset. */
  readonly peakResident: number;
}

/** All cores, of `/proc/stat`, ticks. */
export interface MachineTicks {
  readonly total: number;
  readonly idle: number;
}

/**
 * Reads `/proc/PID/stat`.
 * @throws {SyntaxError} when it is something else.
 */
export function parseProcessStat(text: string): ProcessStat {
  // The second field is the name in parentheses and may hold both spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const parent = Number(fields[1]);
  const userTicks = Number(fields[11]);
  const systemTicks = Number(fields[12]);
  if (!(parent >= 0 && userTicks >= 0 && systemTicks >= 0)) {
    throw new SyntaxError(`Expected /proc/PID/stat, received ${text.slice(0, 200)}`);
  }
  return { parent, userTicks, systemTicks };
}

/**
 * Reads `/proc/PID/status`.
 * @throws {SyntaxError} when it has no memory, as that of a process that has ended.
 */
export function parseProcessMemory(text: string): ProcessMemory {
  return { resident: kilobytes(text, "VmRSS"), peakResident: kilobytes(text, "VmHWM") };
}

function kilobytes(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(text);
  if (match === null) throw new SyntaxError(`Expected ${name} in /proc/PID/status`);
  return Number(match[1]) * 1024;
}

/**
 * Reads the first line of `/proc/stat`.
 * @throws {SyntaxError} when it is something else.
 */
export function parseMachineTicks(text: string): MachineTicks {
  const match = /^cpu +([\d ]+)$/m.exec(text);
  if (match === null) throw new SyntaxError(`Expected /proc/stat, received ${text.slice(0, 200)}`);
  // user nice system idle iowait irq softirq steal; guest times after them are counted in user already.
  const ticks = match[1]!.split(" ").slice(0, 8).map(Number);
  return { total: ticks.reduce((sum, value) => sum + value, 0), idle: ticks[3]! + ticks[4]! };
}
