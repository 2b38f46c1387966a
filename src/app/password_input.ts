import type { CommandIo } from "./cli.ts";

/** A longer line is no password. */
export const MAX_PASSWORD_OCTETS = 4_096;

/**
 * Reads a password: one line of standard input, unseen where that is a terminal. It is never an argument, where other
 * users of the machine could see it. More than {@linkcode MAX_PASSWORD_OCTETS} octets are cut behind one more.
 */
export async function readPassword(io: CommandIo): Promise<Uint8Array> {
  return Deno.stdin.isTerminal() ? await readHidden(io) : firstLine(await readInput());
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
