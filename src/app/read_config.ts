/**
 * Reads a configuration from the file system, for the commands.
 *
 * @module
 */
import { type FileAccess, loadConfig } from "../config/load.ts";
import { type ConfigProblem, formatProblem } from "../config/problem.ts";
import type { Config } from "../config/settings.ts";
import { diskFiles } from "./disk_files.ts";

/** A configuration, or the text that says what is wrong with it, one line for each problem. */
export type ReadConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly text: string };

/** Reads and checks `file`. */
export function readConfig(file: string, files: FileAccess = diskFiles): ReadConfig {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    return { ok: false, text: `postern: cannot read the configuration: ${reason(error)}\n` };
  }
  const result = loadConfig(text, file, files);
  if (!isProblems(result)) return { ok: true, config: result };
  return { ok: false, text: result.map((problem) => formatProblem(problem) + "\n").join("") };
}

/** Whether loading gave problems instead of a configuration. */
export function isProblems(result: Config | readonly ConfigProblem[]): result is readonly ConfigProblem[] {
  return Array.isArray(result);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
