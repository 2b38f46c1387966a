/**
 * What the operating system tells of a process, on Linux. Programs are asked for it: the runtime keeps `/proc` for those
 * that may do everything.
 *
 * @module
 */

/** Numbers of the open file descriptors of the process. */
export function openFiles(pid: number): number[] {
  return output("ls", `/proc/${pid}/fd`).split("\n").filter((name) => name !== "").map(Number);
}

/** Memory of the process that is in RAM, in KiB. */
export function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(output("cat", `/proc/${pid}/status`))?.[1]);
}

/** Most file descriptors that this process may have. */
export function fileLimit(): number {
  return Number(output("prlimit", "--nofile", "--raw", "--noheadings", "--output", "SOFT"));
}

/** Sets the most file descriptors that the process may have, up to its hard limit. */
export function limitFiles(pid: number, count: number): void {
  output("prlimit", "--pid", String(pid), `--nofile=${count}:`);
}

function output(program: string, ...args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args: [...args] }).outputSync();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
