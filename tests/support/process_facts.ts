/**
 * What the operating system tells of a process, on Linux.
 *
 * @module
 */

/** Numbers of the open file descriptors of the process. */
export function openFiles(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name));
}

/** Most file descriptors that this process may have. */
export async function fileLimit(): Promise<number> {
  const limits = await Deno.readTextFile("/proc/self/limits");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
}

/** Sets the most file descriptors that the process may have, up to its hard limit. */
export async function limitFiles(pid: number, count: number): Promise<void> {
  const command = new Deno.Command("prlimit", { args: ["--pid", String(pid), `--nofile=${count}:`] });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(`prlimit failed: ${new TextDecoder().decode(stderr)}`);
}
