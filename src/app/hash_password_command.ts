import { hashPassword } from "../auth/scrypt_hash.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import type { CommandIo } from "./cli.ts";

/** A longer line is no password. */
const MAX_PASSWORD_OCTETS = 4_096;

/**
 * `postern hash-password`: reads one line from standard input and prints its hash. The password is never an
 * argument, where other users of the machine could see it.
 */
export async function hashPasswordCommand(args: string[], io: CommandIo): Promise<number> {
  try {
    parseOptions("hash-password", args, {});
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
  const password = Deno.stdin.isTerminal() ? await readHidden(io) : firstLine(await readInput());
  if (password.length === 0 || password.length > MAX_PASSWORD_OCTETS) {
    io.err(`postern hash-password: expected 1 to ${MAX_PASSWORD_OCTETS} octets, found ${password.length}\n`);
    return 1;
  }
  io.out(await hashPassword(password) + "\n");
  return 0;
}

async function readInput(): Promise<Uint8Array> {
  const buffer = new Uint8Array(MAX_PASSWORD_OCTETS + 2);
  let length = 0;
  while (length < buffer.length) {
    const count = await Deno.stdin.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
    if (buffer.subarray(0, length).includes(0x0a)) break;
  }
  return buffer.subarray(0, length);
}

function firstLine(input: Uint8Array): Uint8Array {
  const end = input.indexOf(0x0a);
  const line = end < 0 ? input : input.subarray(0, end);
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

/** Reads from a terminal without showing what is typed. */
async function readHidden(io: CommandIo): Promise<Uint8Array> {
  io.err("Password: ");
  const typed: number[] = [];
  const buffer = new Uint8Array(64);
  Deno.stdin.setRaw(true, { cbreak: true });
  try {
    while (typed.length <= MAX_PASSWORD_OCTETS) {
      const count = await Deno.stdin.read(buffer);
      if (count === null) break;
      for (const octet of buffer.subarray(0, count)) {
        if (octet === 0x0a || octet === 0x0d) return Uint8Array.from(typed);
        if (octet === 0x7f || octet === 0x08) typed.pop();
        else typed.push(octet);
      }
    }
    return Uint8Array.from(typed);
  } finally {
    Deno.stdin.setRaw(false);
    io.err("\n");
  }
}
