import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import { chosenFile, CONFIG_OPTIONS, type ConfigOptions, readChosenConfig } from "./config_option.ts";
import { askToReload } from "./control_socket.ts";

const OPTIONS = { ...CONFIG_OPTIONS, "pid-file": { type: "string" } } as const;

/**
 * `postern reload --config FILE` or `--nginx-conf FILE`: checks the file, then asks the process whose `pid` it names
 * (or `--pid-file FILE`) to read its configuration again. 0: it has; 1: the problems, and nothing has changed; 2 for
 * wrong usage.
 */
export async function reloadCommand(args: string[], io: CommandIo): Promise<number> {
  try {
    const options = parseOptions("reload", args, OPTIONS);
    const found = findProcess(options);
    if ("problem" in found) {
      io.err(found.problem);
      return 1;
    }
    return await askProcess(found, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
}

/** Which process is asked, and the file that was checked. */
interface Asked {
  readonly pidFile: string;
  readonly file: string | null;
}

function findProcess(
  options: ConfigOptions & { readonly "pid-file"?: string | undefined },
): Asked | { readonly problem: string } {
  const named = options["pid-file"];
  if (named !== undefined && options.config === undefined && options["nginx-conf"] === undefined) {
    return { pidFile: named, file: null };
  }
  const chosen = readChosenConfig("reload", options);
  if (!chosen.ok) return { problem: chosen.text };
  const pidFile = named ?? chosen.config.main.pid;
  if (pidFile !== null) return { pidFile, file: chosenFile(options) };
  return { problem: 'postern reload: the configuration has no "pid": name the file with --pid-file\n' };
}

async function askProcess({ pidFile, file }: Asked, io: CommandIo): Promise<number> {
  try {
    const { ok, text } = await askToReload(pidFile, file);
    (ok ? io.out : io.err)(text);
    return ok ? 0 : 1;
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
    const reason = error instanceof Error ? error.message : String(error);
    io.err(
      gone
        ? `postern reload: no Postern runs that has the pid file ${pidFile}\n`
        : `postern reload: the process does not answer: ${reason}\n`,
    );
    return 1;
  }
}
