/**
 * Which admin listener a command is to ask: `--config FILE`, or `--admin ADDRESS` with `--token-file FILE`.
 *
 * @module
 */
import { localAddress } from "../config/addresses.ts";
import { readAdminToken } from "../config/admin_token.ts";
import { Refusal } from "../config/value_type.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { UsageError } from "./command_options.ts";
import { readConfig } from "./read_config.ts";

/** Options of the commands that ask an admin listener. */
export const ADMIN_OPTIONS = {
  config: { type: "string", short: "c" },
  admin: { type: "string" },
  "token-file": { type: "string" },
} as const;

/** The values of {@linkcode ADMIN_OPTIONS}. */
export interface AdminOptions {
  readonly config?: string | undefined;
  readonly admin?: string | undefined;
  readonly "token-file"?: string | undefined;
}

const DEFAULT_ADMIN = "127.0.0.1:9025";

/** Where the admin listener is, and what it asks for. */
export interface Admin {
  readonly address: SocketAddress;
  readonly token: string | null;
}

/**
 * The admin listener that the options name, of the configuration where they do not.
 * @throws {UsageError} when there is none, or a file cannot be used.
 */
export function findAdmin(command: string, options: AdminOptions): Admin {
  const usage = (text: string) => new UsageError(`postern ${command}: ${text}`);
  let { admin, "token-file": tokenFile } = options;
  if (options.config !== undefined) {
    const read = readConfig(options.config);
    if (!read.ok) throw new UsageError(read.text.trimEnd());
    const { admin_listen, admin_token_file } = read.config.main;
    if (admin_listen === null) throw usage(`${options.config} has no admin_listen`);
    admin ??= localAddress.print(admin_listen) as string;
    tokenFile ??= admin_token_file ?? undefined;
  }
  const reading = { problem() {}, filePath: (path: string) => path };
  const address = localAddress.readText(admin ?? DEFAULT_ADMIN, reading);
  if (address instanceof Refusal) throw usage(`--admin is ${localAddress.expected}, found "${admin}"`);
  return {
    address: reachable(address),
    token: tokenFile === undefined ? null : readToken(command, tokenFile),
  };
}

/** Who listens everywhere is asked here. */
function reachable(address: SocketAddress): SocketAddress {
  if (address.kind === "unix") return address;
  const host = address.host === "0.0.0.0" ? "127.0.0.1" : address.host === "::" ? "::1" : address.host;
  return { ...address, host };
}

function readToken(command: string, file: string): string {
  const usage = (text: string) => new UsageError(`postern ${command}: ${text}`);
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    throw usage(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const read = readAdminToken(text);
  if ("fault" in read) throw usage(`${file} cannot be used: ${read.fault}`);
  return read.token;
}
