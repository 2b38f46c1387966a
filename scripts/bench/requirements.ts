/**
 * What the bench needs of the machine.
 *
 * @module
 */
import { NGINX, NGINX_MAIL_MODULE } from "./proxies.ts";
import { SMTP_SINK, SMTP_SOURCE } from "./postfix_peers.ts";

/** Debian package of each file. */
const PACKAGES: Readonly<Record<string, string>> = {
  [NGINX]: "nginx",
  [NGINX_MAIL_MODULE]: "libnginx-mod-mail",
  [SMTP_SOURCE]: "postfix",
  [SMTP_SINK]: "postfix",
  "/usr/bin/prlimit": "util-linux",
};

/** Descriptors that a process with 5,000 connections needs. */
const DESCRIPTORS = 8192;

/** Packages that are not installed. */
export function missingPackages(exists: (path: string) => boolean): readonly string[] {
  return [...new Set(Object.keys(PACKAGES).filter((path) => !exists(path)).map((path) => PACKAGES[path]!))];
}

export function fileExists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // Not there.
    return false;
  }
}

/**
 * Lets this process, and those that it starts from now on, open enough files.
 * @throws {Error} when the system does not allow so many.
 */
export async function raiseDescriptors(): Promise<void> {
  const { success } = await new Deno.Command("/usr/bin/prlimit", {
    args: ["--pid", String(Deno.pid), `--nofile=${DESCRIPTORS}:`],
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) throw new Error(`Expected a hard limit of ${DESCRIPTORS} open files (ulimit -Hn) at least`);
}

/** The machine in a line: kind and number of cores, kernel, versions. */
export async function describeMachine(): Promise<Readonly<Record<string, string | number>>> {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ??
    Deno.build.arch;
  const version = await new Deno.Command(NGINX, { args: ["-v"], stderr: "piped" }).output();
  return {
    cpu,
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    nginx: /nginx\/(\S+)/.exec(new TextDecoder().decode(version.stderr))?.[1] ?? "unknown",
    deno: Deno.version.deno,
  };
}
