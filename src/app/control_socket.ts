/**
 * How `postern reload` speaks with the running process: over a Unix socket beside the pid file. It says one word, and
 * behind it the file that it has checked, and hears one line of JSON. (A signal would need the permission to run programs, could hit a stranger that has the
 * number of a dead process, and brings no answer.)
 *
 * @module
 */
import { resolve } from "node:path";
import { removeQuietly } from "./pid_file.ts";
import type { ReloadOutcome } from "./reloads.ts";

/** The owner alone may connect. */
const SOCKET_MODE = 0o600;
/** How long the word may take, and the answer; milliseconds. */
const ASK_MS = 5_000;
const ANSWER_MS = 60_000;
const MOST_OCTETS = 1_000_000;

/** The socket of the process with this pid file. */
export function controlPath(pidFile: string): string {
  return `${pidFile}.control`;
}

/** An open control socket. */
export class ControlSocket {
  readonly #socket: Deno.UnixListener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #file: string;
  readonly #reload: () => Promise<ReloadOutcome>;

  /**
   * Opens it, in the place of one that another process had; `file` is the configuration that `reload` reads.
   * @throws {Error} as when the path is too long for a socket.
   */
  constructor(pidFile: string, file: string, reload: () => Promise<ReloadOutcome>) {
    this.#file = file;
    this.#reload = reload;
    const path = controlPath(pidFile);
    const own = `${path}.${Deno.pid}`;
    removeQuietly(own);
    this.#socket = Deno.listen({ transport: "unix", path: own });
    try {
      Deno.chmodSync(own, SOCKET_MODE);
      Deno.renameSync(own, path);
    } catch (error) {
      this.#socket.close();
      throw error;
    }
    void this.#acceptAll();
  }

  /** Stops listening; the file is of whoever has the pid file. */
  close(): void {
    this.#socket.close();
    for (const connection of this.#connections) connection.close();
  }

  async #acceptAll(): Promise<void> {
    for await (const connection of this.#socket) void this.#serve(connection);
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    try {
      const order = await within(ASK_MS, connection, readLine(connection));
      const outcome = await this.#obey(order);
      await within(ASK_MS, connection, writeLine(connection, JSON.stringify(outcome)));
    } catch {
      // Whoever asked is gone.
    } finally {
      if (this.#connections.delete(connection)) closeQuietly(connection);
    }
  }

  async #obey(order: string): Promise<ReloadOutcome> {
    const [, checked] = /^reload(?: (".*"))?$/s.exec(order) ?? [null];
    if (checked === null) return { ok: false, text: "unknown order\n" };
    const own = canonical(this.#file);
    if (checked === undefined || JSON.parse(checked) === own) return await this.#reload();
    return { ok: false, text: `postern reload: the process reads ${own}, nothing has changed\n` };
  }
}

/**
 * Asks the process with this pid file to reload; with a `file`, unless it is another one that the process reads.
 * @throws {Deno.errors.NotFound | Deno.errors.ConnectionRefused} when there is none.
 * @throws {Error} when it does not answer.
 */
export async function askToReload(pidFile: string, file: string | null): Promise<ReloadOutcome> {
  const connection = await Deno.connect({ transport: "unix", path: controlPath(pidFile) });
  try {
    await writeLine(connection, file === null ? "reload" : `reload ${JSON.stringify(canonical(file))}`);
    const answer = await within(ANSWER_MS, connection, readLine(connection));
    return JSON.parse(answer) as ReloadOutcome;
  } finally {
    closeQuietly(connection);
  }
}

/** The absolute name of a file without symbolic links, as far as that can be found out. */
function canonical(file: string): string {
  try {
    return Deno.realPathSync(file);
  } catch {
    return resolve(file);
  }
}

async function within<T>(milliseconds: number, connection: Deno.Conn, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => closeQuietly(connection), milliseconds);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

async function readLine(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.includes("\n")) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error("the other side ended the connection without an answer");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (text.length > MOST_OCTETS) throw new Error("the other side does not come to an end");
  }
  return text.slice(0, text.indexOf("\n"));
}

async function writeLine(connection: Deno.Conn, line: string): Promise<void> {
  let octets = new TextEncoder().encode(line + "\n");
  while (octets.length > 0) octets = octets.subarray(await connection.write(octets));
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}
