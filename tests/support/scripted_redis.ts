import { decodeLatin1, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { type ScriptName, SCRIPTS } from "../../src/limits/redis_scripts.ts";

/** What a server says to a command, or `null` for the end of the connection; nothing where it is empty. */
export type RedisAnswer = (command: readonly string[]) => string | null;

/** What a good server says to the commands that come before the first question, and to those that change places. */
export function goodAnswer([name, what, text]: readonly string[]): string {
  if (name === "AUTH" || name === "SELECT") return "+OK\r\n";
  if (name === "SCRIPT" && what === "LOAD") {
    const script = SCRIPT_NAMES.find((script) => SCRIPTS[script] === text)!;
    return `$40\r\n${nameOf(script)}\r\n`;
  }
  return ":1\r\n";
}

/** Good until `script` is asked for. */
export function hostileTo(script: ScriptName, answer: RedisAnswer): RedisAnswer {
  return (command) =>
    command[0] === "EVALSHA" && command[1] === nameOf(script) ? answer(command) : goodAnswer(command);
}

const SCRIPT_NAMES = Object.keys(SCRIPTS) as ScriptName[];

function nameOf(script: ScriptName): string {
  return String(SCRIPT_NAMES.indexOf(script)).padStart(40, "0");
}

/** Something on a port of 127.0.0.1 that answers as the test wants it. */
export class ScriptedRedis {
  /** All that was said to it, as a byte string. */
  heard = "";
  connections = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #answer: RedisAnswer;
  readonly #spoken: () => void;
  readonly #served: Promise<void>;
  readonly #open = new Set<Deno.Conn>();

  /** `spoken` is called whenever octets have come. */
  constructor(answer: RedisAnswer, spoken: () => void = () => {}) {
    this.#answer = answer;
    this.#spoken = spoken;
    this.#served = this.#accept();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #accept(): Promise<void> {
    const served: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.connections++;
      this.#open.add(connection);
      served.push(this.#serve(connection).catch(() => {}).finally(() => this.#close(connection)));
    }
    await Promise.all(served);
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    let rest = "";
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) return;
      const text = decodeLatin1(buffer, 0, count);
      this.heard += text;
      this.#spoken();
      rest += text;
      for (let taken = takeCommand(rest); taken !== null; taken = takeCommand(rest)) {
        rest = taken.rest;
        const answer = this.#answer(taken.command);
        if (answer === null) return;
        for (let octets = encodeLatin1(answer); octets.length > 0;) {
          octets = octets.subarray(await connection.write(octets));
        }
      }
    }
  }

  #close(connection: Deno.Conn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
    await this.#served;
  }
}

function takeCommand(text: string): { readonly command: string[]; readonly rest: string } | null {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return null;
  let rest = text.slice(head[0].length);
  const command: string[] = [];
  while (command.length < Number(head[1])) {
    const length = /^\$(\d+)\r\n/.exec(rest);
    const end = length === null ? 0 : length[0].length + Number(length[1]);
    if (length === null || rest.length < end + 2) return null;
    command.push(rest.slice(length[0].length, end));
    rest = rest.slice(end + 2);
  }
  return { command, rest };
}
