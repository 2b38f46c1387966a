import { printConfig } from "../config/print.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import type { CommandIo } from "./cli.ts";
import { CONFIG_OPTIONS, readChosenConfig } from "./config_option.ts";

/**
 * `postern check --config FILE`: 0 and the effective configuration, 1 and the problems, or 2 for wrong usage. With
 * `--nginx-conf FILE`, what `run` would leave out goes to standard error besides.
 */
// deno-lint-ignore require-await -- commands share one signature
export async function checkCommand(args: string[], io: CommandIo): Promise<number> {
  try {
    const options = parseOptions("check", args, {
      ...CONFIG_OPTIONS,
      quiet: { type: "boolean", short: "q" },
    });
    const result = readChosenConfig("check", options);
    if (!result.ok) {
      io.err(result.text);
      return 1;
    }
    if (result.leftOut !== "") io.err(result.leftOut);
    if (!options.quiet) io.out(printConfig(result.config));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
}
