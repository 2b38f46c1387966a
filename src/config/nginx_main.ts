/**
 * The directives of nginx's main context that hold for Postern too when it runs from an nginx configuration.
 *
 * @module
 */
import { fullName } from "./nginx_include.ts";
import { NginxConfigError } from "./nginx_lexer.ts";
import type { NginxDirective } from "./nginx_parser.ts";

/** One `error_log`. */
export interface ErrorLog {
  /** `stderr`, `syslog:...`, `memory:...`, or a file with an absolute name. */
  readonly target: string;
  /** Least severe level that is written; nginx's default is `error`. */
  readonly level: string;
}

/** What stands outside of `mail {}`; null and empty where nothing does. */
export interface MainContext {
  /** Absolute name of the file for the process id. */
  readonly pid: string | null;
  /** Those of `mail {}` where it has any, else those of the main context, as nginx inherits them. */
  readonly error_log: readonly ErrorLog[];
  readonly daemon: boolean | null;
  /** A number, or `auto`. */
  readonly worker_processes: string | null;
  /** User, then group if there is one. */
  readonly user: readonly string[];
}

/**
 * Reads the main context; `mail` is what stands in `mail {}`. Relative names begin at `prefix`, as nginx has it
 * for these (not at the directory of the configuration file).
 * @throws {NginxConfigError}
 */
export function readMainContext(
  main: readonly NginxDirective[],
  mail: readonly NginxDirective[],
  prefix: string,
): MainContext {
  const pid = single(main, "pid", 1)?.[0] ?? null;
  const daemon = single(main, "daemon", 1)?.[0]?.toLowerCase() ?? null;
  if (daemon !== null && daemon !== "on" && daemon !== "off") {
    const directive = main.find((each) => each.name === "daemon")!;
    fail(directive, `invalid value "${directive.args[0]}" in "daemon" directive, it must be "on" or "off"`);
  }
  const logs = [mail, main].map((level) => level.filter((each) => each.name === "error_log"));
  return {
    pid: pid === null ? null : fullName(pid, prefix),
    error_log: (logs.find((each) => each.length > 0) ?? []).map((each) => errorLog(each, prefix)),
    daemon: daemon === null ? null : daemon === "on",
    worker_processes: single(main, "worker_processes", 1)?.[0] ?? null,
    user: single(main, "user", 2) ?? [],
  };
}

function single(directives: readonly NginxDirective[], name: string, most: number): readonly string[] | null {
  const [first, second] = directives.filter((each) => each.name === name);
  if (first === undefined) return null;
  if (second !== undefined) fail(second, `"${name}" directive is duplicate`);
  if (first.args.length < 1 || first.args.length > most) {
    fail(first, `invalid number of arguments in "${name}" directive`);
  }
  return first.args;
}

const LEVELS = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];

function errorLog(directive: NginxDirective, prefix: string): ErrorLog {
  const [target = "", level = "error"] = directive.args;
  if (target === "") fail(directive, `invalid number of arguments in "error_log" directive`);
  // debug_mail and its like narrow nginx's debug log.
  if (!LEVELS.includes(level) && !level.startsWith("debug_")) fail(directive, `invalid log level "${level}"`);
  const isFile = target !== "stderr" && !/^(?:syslog|memory):/.test(target);
  return { target: isFile ? fullName(target, prefix) : target, level };
}

function fail(directive: NginxDirective, problem: string): never {
  throw new NginxConfigError(problem, directive.file, directive.endLine);
}
