import { parseArgs, type ParseArgsConfig } from "node:util";

/** The command line of a subcommand is wrong; the message is for the user. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * Reads `--config FILE` (or `-c FILE`) and the subcommand's own options.
 * @throws {UsageError} for unknown options, missing values and words that nobody asked for.
 */
export function parseOptions<T extends NonNullable<ParseArgsConfig["options"]>>(
  command: string,
  args: string[],
  options: T,
) {
  return inWords(command, () => parseArgs({ args, options, allowPositionals: false, strict: true }).values);
}

/** The same for a subcommand that takes words besides options. */
export function parseCommandLine<T extends NonNullable<ParseArgsConfig["options"]>>(
  command: string,
  args: string[],
  options: T,
) {
  return inWords(command, () => parseArgs({ args, options, allowPositionals: true, strict: true }));
}

function inWords<T>(command: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new UsageError(`postern ${command}: ${text}`);
  }
}
