/**
 * The command line.
 *
 * @module
 */
import { checkCommand } from "./check_command.ts";
import { runConvert } from "./convert_command.ts";
import { healthCommand } from "./health_command.ts";
import { hashPasswordCommand } from "./hash_password_command.ts";
import { reloadCommand } from "./reload_command.ts";
import { probeCommand } from "./probe_command.ts";
import { runCommand } from "./run_command.ts";
import { testAuthCommand } from "./test_auth_command.ts";
import { topCommand } from "./top_command.ts";
import { VERSION } from "./version.ts";

/** Exit code when the command line is wrong. */
export const EXIT_USAGE = 2;

/** Where a command writes and what it reads. */
export interface CommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

type Command = (args: string[], io: CommandIo) => Promise<number>;

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["run", runCommand],
  ["reload", reloadCommand],
  ["check", checkCommand],
  ["hash-password", hashPasswordCommand],
  ["convert", runConvert],
  ["test-auth", testAuthCommand],
  ["probe", probeCommand],
  ["top", topCommand],
  ["health", healthCommand],
]);

const USAGE = `Usage: postern COMMAND [OPTIONS]

  run --config FILE        serve the configuration until SIGTERM or Ctrl-C
  run --nginx-conf FILE    the same from the mail{} part of an nginx configuration
  reload --config FILE     check the file, then have the process that runs it take it over; takes --nginx-conf too,
                           and --pid-file FILE where the file names no "pid"
                           exit code: 0 taken over, 1 nothing has changed, 2 wrong usage
  check --config FILE      validate the configuration and print what is in effect; takes --nginx-conf too
                           exit code: 0 good, 1 bad configuration, 2 wrong usage
  convert FILE [-o OUT]    turn the mail{} part of an nginx configuration into a Postern one
                           exit code: 0 all taken over, 3 something left out, 1 bad configuration, 2 wrong usage
  hash-password            read a password from standard input, print its hash for "users"
  test-auth --config FILE --user NAME
                           ask the auth service as the proxy would, and say what would follow
                           [--server LISTEN] [--method plain|login|cram-md5|xoauth2|oauthbearer|none]
                           [--client IP] [--helo NAME] [--tls] [--sni NAME] [--from ADDRESS --to ADDRESS];
                           --tls by itself where the server demands TLS
                           exit code: 0 let in, 1 refused, 3 no usable answer, 2 wrong usage or configuration
  probe HOST[:PORT]        speak to a listener and show what a client sees; sends no message
                           [--ssl | --starttls] [--name NAME] [--ca FILE] [--insecure] [--user NAME]
                           [--from ADDRESS --to ADDRESS] [--helo NAME] [--timeout SECONDS]
                           exit code: 0 all went well, 1 something was refused or failed, 2 wrong usage
  top [--config FILE]      watch a running proxy by its admin_listen, until Ctrl-C or q
                           [--admin ADDRESS] [--token-file FILE] [--interval SECONDS] [--once]
                           exit code: 0, 1 when --once gets no answer, 2 wrong usage
  health [--config FILE]   ask admin_listen whether the proxy is well, with --ready whether it wants clients
                           [--admin ADDRESS] [--token-file FILE]; exit code: 0 yes, 1 no, 2 wrong usage
  version                  print the version
  help                     print this text

test-auth and probe read the password from standard input, or ask for it on a terminal.
-p PREFIX goes with an nginx configuration: where it and its relative names of logs and pid file begin.
`;

/** Runs the command line and returns the exit code. */
export async function main(args: readonly string[], io: CommandIo = STANDARD_IO): Promise<number> {
  const [name, ...rest] = args;
  if (name === "help" || name === "--help" || name === "-h") {
    io.out(USAGE);
    return 0;
  }
  if (name === "version" || name === "--version" || name === "-V") {
    io.out(`postern ${VERSION} (deno ${Deno.version.deno})\n`);
    return 0;
  }
  const command = name === undefined ? undefined : COMMANDS.get(name);
  if (command !== undefined && (rest.includes("--help") || rest.includes("-h"))) {
    io.out(USAGE);
    return 0;
  }
  if (command === undefined) {
    io.err(name === undefined ? USAGE : `postern: unknown command "${name}"\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  return await command(rest, io);
}

const encoder = new TextEncoder();

const STANDARD_IO: CommandIo = {
  out: (text) => writeAll(Deno.stdout, text),
  err: (text) => writeAll(Deno.stderr, text),
};

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}
