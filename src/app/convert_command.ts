/**
 * `postern convert`: an nginx configuration as Postern's.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { NginxConfigError } from "../config/nginx_lexer.ts";
import { UsageError } from "./command_options.ts";
import { formatLeftOut, readNginxConfig } from "./read_nginx_config.ts";

/** Where the command writes. */
export interface ConvertIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/**
 * `postern convert NGINX.CONF [-o POSTERN.YAML] [-p PREFIX]`: 0 when all was taken over, 3 and the list when
 * something was left out, 1 when the configuration is broken, or 2 for wrong usage.
 */
export async function runConvert(args: string[], io: ConvertIo): Promise<number> {
  try {
    const { file, output, prefix } = readArguments(args);
    const { yaml, left_out } = readNginxConfig(file, prefix);
    if (output === null) io.out(yaml);
    else await Deno.writeTextFile(output, yaml);
    if (left_out.length > 0) io.err(formatLeftOut(left_out));
    return left_out.length === 0 ? 0 : 3;
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`postern convert: ${error.message}\n`);
      return 2;
    }
    if (!(error instanceof NginxConfigError) && !isFileError(error)) throw error;
    io.err(`postern convert: ${error.message}\n`);
    return 1;
  }
}

/** Whether the output could not be written, as the text of the error says. */
function isFileError(error: unknown): error is Error {
  return error instanceof Error && Object.hasOwn(Deno.errors, error.name);
}

interface ConvertCall {
  readonly file: string;
  readonly output: string | null;
  readonly prefix: string | null;
}

const OPTIONS = {
  output: { type: "string", short: "o" },
  prefix: { type: "string", short: "p" },
} as const;

function readArguments(args: string[]): ConvertCall {
  const { values, positionals } = parse(args);
  const [file, ...more] = positionals;
  if (file === undefined) throw new UsageError("the nginx configuration is missing");
  if (more.length > 0) {
    throw new UsageError(`expected one nginx configuration, found ${positionals.join(", ")}`);
  }
  return { file, output: values.output ?? null, prefix: values.prefix ?? null };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
