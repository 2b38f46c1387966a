import { printConfig } from "../config/print.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import type { CommandIo } from "./cli.ts";
import { readConfig } from "./read_config.ts";

/** `postern check --config FILE`: 0 and the effective configuration, 1 and the problems, or 2 for wrong usage. */
// deno-lint-ignore require-await -- commands share one signature
export async function checkCommand(args: string[], io: CommandIo): Promise<number> {
  try {
    const options = parseOptions("check", args, {
      config: { type: "string", short: "c" },
      quiet: { type: "boolean", short: "q" },
    });
    if (options.config === undefined) throw new UsageError("postern check: --config FILE is missing");
    const result = readConfig(options.config);
    if (!result.ok) {
      io.err(result.text);
      return 1;
    }
    if (!options.quiet) io.out(printConfig(result.config));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
}
