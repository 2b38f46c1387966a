/**
 * The directives of nginx's main context that hold for Postern too when it runs from an nginx configuration; its
 * `error_log` becomes one of `mail:` and is not here.
 *
 * @module
 */
import { fullName } from "./nginx_include.ts";
import { NginxConfigError } from "./nginx_lexer.ts";
import type { NginxDirective } from "./nginx_parser.ts";

/** What stands outside of `mail {}`; null and empty where nothing does. */
export interface MainContext {
  /** Absolute name of the file for the process id. */
  readonly pid: string | null;
  readonly daemon: boolean | null;
  /** A number, or `auto`. */
  readonly worker_processes: string | null;
  /** User, then group if there is one. */
  readonly user: readonly string[];
}

/**
 * Reads the main context. Relative names begin at `prefix`, as nginx has it for these (not at the directory of the
 * configuration file).
 * @throws {NginxConfigError}
 */
export function readMainContext(main: readonly NginxDirective[], prefix: string): MainContext {
  const pid = single(main, "pid", 1)?.[0] ?? null;
  const daemon = single(main, "daemon", 1)?.[0]?.toLowerCase() ?? null;
  if (daemon !== null && daemon !== "on" && daemon !== "off") {
    const directive = main.find((each) => each.name === "daemon")!;
    fail(directive, `invalid value "${directive.args[0]}" in "daemon" directive, it must be "on" or "off"`);
  }
  return {
    pid: pid === null ? null : fullName(pid, prefix),
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

function fail(directive: NginxDirective, problem: string): never {
  throw new NginxConfigError(problem, directive.file, directive.endLine);
}
