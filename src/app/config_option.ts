/**
 * Which configuration a command is to use: `--config FILE`, or `--nginx-conf FILE` with `-p PREFIX`.
 *
 * @module
 */
import { loadConfig } from "../config/load.ts";
import { NginxConfigError } from "../config/nginx_lexer.ts";
import type { MainContext } from "../config/nginx_main.ts";
import type { Config } from "../config/settings.ts";
import { UsageError } from "./command_options.ts";
import { diskFiles } from "./disk_files.ts";
import { isProblems, readConfig } from "./read_config.ts";
import { formatLeftOut, locateNginxConfig, readNginxConfig } from "./read_nginx_config.ts";

/** Options of the commands that take a configuration. */
export const CONFIG_OPTIONS = {
  config: { type: "string", short: "c" },
  "nginx-conf": { type: "string" },
  prefix: { type: "string", short: "p" },
} as const;

/** The values of {@linkcode CONFIG_OPTIONS}. */
export interface ConfigOptions {
  readonly config?: string | undefined;
  readonly "nginx-conf"?: string | undefined;
  readonly prefix?: string | undefined;
}

/** A configuration, or the text that says what is wrong with it. */
export type ChosenConfig =
  | {
    readonly ok: true;
    readonly config: Config;
    /** What else the nginx configuration says; null for one of Postern's own. */
    readonly nginx: MainContext | null;
    /** What was left out of an nginx configuration, one line each. */
    readonly leftOut: string;
  }
  | { readonly ok: false; readonly text: string };

/**
 * Reads the configuration that the options name.
 * @throws {UsageError} unless they name one.
 */
export function readChosenConfig(command: string, options: ConfigOptions): ChosenConfig {
  const { config: file, prefix } = options;
  const nginxFile = options["nginx-conf"];
  if (nginxFile !== undefined) {
    if (file !== undefined) throw new UsageError(`postern ${command}: --config or --nginx-conf, not both`);
    return readNginx(command, nginxFile, prefix ?? null);
  }
  if (prefix !== undefined) throw new UsageError(`postern ${command}: --prefix is for --nginx-conf`);
  if (file === undefined) {
    throw new UsageError(`postern ${command}: --config FILE or --nginx-conf FILE is missing`);
  }
  const result = readConfig(file);
  return result.ok ? { ...result, nginx: null, leftOut: "" } : result;
}

/** The file that {@linkcode readChosenConfig} has read with these options. */
export function chosenFile({ config, "nginx-conf": nginx, prefix }: ConfigOptions): string {
  return nginx === undefined ? config ?? "" : locateNginxConfig(nginx, prefix ?? null);
}

function readNginx(command: string, file: string, prefix: string | null): ChosenConfig {
  try {
    const { yaml, left_out, main } = readNginxConfig(file, prefix);
    const leftOut = formatLeftOut(left_out);
    const config = loadConfig(yaml, file, diskFiles);
    if (!isProblems(config)) {
      const withPid = { ...config, main: { ...config.main, pid: main.pid } };
      return { ok: true, config: withPid, nginx: main, leftOut };
    }
    // Lines of the conversion are none of the file.
    const problems = config.map(({ key, message }) => `${file}: ${key === "" ? "" : `${key}: `}${message}\n`);
    return { ok: false, text: leftOut + problems.join("") };
  } catch (error) {
    if (!(error instanceof NginxConfigError)) throw error;
    return { ok: false, text: `postern ${command}: ${error.message}\n` };
  }
}
