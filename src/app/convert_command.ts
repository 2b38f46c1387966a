/**
 * `postern convert`: an nginx configuration as Postern's.
 *
 * @module
 */
import { isAbsolute, resolve } from "node:path";
import { convertNginx, type NginxConversion } from "../config/nginx_convert.ts";
import { expandPattern } from "../config/nginx_glob.ts";
import { directoryOf, type NginxFiles } from "../config/nginx_include.ts";
import { NginxConfigError } from "../config/nginx_lexer.ts";

/** Where a command reads from and writes to. */
export interface ConvertIo {
  out(text: string): void;
  err(text: string): void;
}

/** How `postern convert` is called. */
export const CONVERT_USAGE = "usage: postern convert NGINX.CONF [-o POSTERN.YAML] [-p PREFIX]";

/**
 * Runs `postern convert`; gives the exit code: 0 when all was taken over, 3 when something was left out, 1 when the
 * configuration is broken, 2 when the command was not understood.
 */
export async function runConvert(args: readonly string[], io: ConvertIo): Promise<number> {
  const call = readArguments(args);
  if (typeof call === "string") {
    io.err(`postern: ${call}\n${CONVERT_USAGE}\n`);
    return 2;
  }
  let conversion: NginxConversion;
  try {
    conversion = readNginxConfig(call.file, call.prefix);
  } catch (error) {
    if (!(error instanceof NginxConfigError)) throw error;
    io.err(`postern: ${error.message}\n`);
    return 1;
  }
  if (call.output === null) io.out(conversion.yaml);
  else {
    try {
      await Deno.writeTextFile(call.output, conversion.yaml);
    } catch (error) {
      io.err(`postern: cannot write ${call.output}: ${(error as Error).message}\n`);
      return 1;
    }
  }
  for (const { file, line, directive, reason } of conversion.left_out) {
    io.err(`${file}:${line}: ${directive}: ${reason}\n`);
  }
  return conversion.left_out.length === 0 ? 0 : 3;
}

interface ConvertCall {
  readonly file: string;
  readonly output: string | null;
  readonly prefix: string | null;
}

function readArguments(args: readonly string[]): ConvertCall | string {
  let file: string | null = null;
  const options: Record<"-o" | "-p", string | null> = { "-o": null, "-p": null };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "-o" || arg === "-p") {
      const value = args[++index];
      if (value === undefined) return `"${arg}" needs a value`;
      options[arg] = value;
    } else if (arg.startsWith("-")) return `unknown option "${arg}"`;
    else if (file !== null) return `one configuration at a time, found "${file}" and "${arg}"`;
    else file = arg;
  }
  return file === null
    ? "no configuration was named"
    : { file, output: options["-o"], prefix: options["-p"] };
}

/**
 * Reads an nginx configuration from disk. With a prefix, a relative `file` begins there, as with `nginx -p -c`, or
 * else in the current directory; without one, the prefix is the directory of the file.
 * @throws {NginxConfigError} where nginx would not start.
 */
export function readNginxConfig(file: string, prefix: string | null): NginxConversion {
  const path = locate(file, prefix);
  return convertNginx({
    file: path,
    files: diskFiles,
    prefix: prefix === null ? directoryOf(path) : resolve(prefix),
  });
}

function locate(file: string, prefix: string | null): string {
  if (prefix === null || isAbsolute(file)) return resolve(file);
  const under = resolve(prefix, file);
  return typeof diskFiles.readText(under) === "string" ? under : resolve(file);
}

/** The files of this machine. */
const diskFiles: NginxFiles = {
  readText(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      return { failed: failure(error) };
    }
  },
  glob: (pattern) => expandPattern(pattern, list),
};

function list(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name);
  } catch {
    // A directory that is missing or closed to us has no files that match, as for glob(3).
    return [];
  }
}

/** As nginx shows errno. */
function failure(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "2: No such file or directory";
  if (error instanceof Deno.errors.PermissionDenied) return "13: Permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "21: Is a directory";
  return error instanceof Error ? error.message : String(error);
}
