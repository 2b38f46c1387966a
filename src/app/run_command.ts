import type { MainContext } from "../config/nginx_main.ts";
import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import { type ChosenConfig, chosenFile, CONFIG_OPTIONS, readChosenConfig } from "./config_option.ts";
import { runConfig } from "./run_config.ts";

/**
 * `postern run --config FILE` or `--nginx-conf FILE`: serves until a signal ends it. 1 for a bad configuration, 2
 * for wrong usage.
 */
export async function runCommand(args: string[], io: CommandIo): Promise<number> {
  let chosen: ChosenConfig;
  let read: () => ChosenConfig;
  let file: string;
  try {
    const options = parseOptions("run", args, CONFIG_OPTIONS);
    read = () => readChosenConfig("run", options);
    chosen = read();
    file = chosenFile(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
  if (!chosen.ok) {
    io.err(chosen.text);
    return 1;
  }
  io.err(chosen.leftOut + nginxNotices(chosen.nginx));
  try {
    await runConfig(chosen.config, file, read);
    return 0;
  } catch (error) {
    io.err(`postern: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** What nginx would do for its main context and Postern cannot. */
function nginxNotices(nginx: MainContext | null): string {
  if (nginx === null) return "";
  const notices = [];
  if (nginx.daemon !== false) {
    notices.push("daemon: the runtime cannot detach, Postern stays in the foreground");
  }
  if (nginx.user.length > 0) {
    notices.push("user: the runtime cannot change its user, Postern keeps the one it has");
  }
  return notices.map((notice) => `postern: ${notice}\n`).join("");
}
