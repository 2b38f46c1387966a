import { hashPassword } from "../auth/scrypt_hash.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import type { CommandIo } from "./cli.ts";
import { MAX_PASSWORD_OCTETS, readPassword } from "./password_input.ts";

/**
 * `postern hash-password`: reads a password and prints its hash.
 */
export async function hashPasswordCommand(args: string[], io: CommandIo): Promise<number> {
  try {
    parseOptions("hash-password", args, {});
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
  const password = await readPassword(io);
  if (password.length === 0 || password.length > MAX_PASSWORD_OCTETS) {
    io.err(`postern hash-password: expected 1 to ${MAX_PASSWORD_OCTETS} octets, found ${password.length}\n`);
    return 1;
  }
  io.out(await hashPassword(password) + "\n");
  return 0;
}
