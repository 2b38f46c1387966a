/**
 * The bench's side of {@linkcode answerRequests} in `control.ts`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { readLines } from "./control.ts";
import { type Processes, within } from "./processes.ts";

const START_MS = 30_000;
/** The longest run of a load, milliseconds. */
const ANSWER_MS = 120_000;
const encoder = new TextEncoder();

/** A program of this folder that runs beside the bench and does what it is asked. */
export class HelperProgram<Request, Answer> {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #answers: AsyncGenerator<string>;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#answers = readLines(child.stdout);
    this.#requests = child.stdin.getWriter();
  }

  /** Starts `NAME.ts` and gives what it tells when it is ready. */
  static async start<Request, Answer, Ready>(
    processes: Processes,
    name: string,
  ): Promise<{ readonly program: HelperProgram<Request, Answer>; readonly ready: Ready }> {
    const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
    const flags = ["--quiet", "--no-prompt", "--allow-net=127.0.0.1,localhost"];
    const child = processes.spawn(Deno.execPath(), ["run", ...flags, file], {
      stdin: "piped",
      stdout: "piped",
    });
    const program = new HelperProgram<Request, Answer>(name, child);
    const ready = await within(program.#answer<Ready>(), `starting ${name}`, START_MS);
    return { program, ready };
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Asks for something and waits until it is done.
   * @throws {Error} when the program fails or takes too long.
   */
  async ask(request: Request): Promise<Answer> {
    await this.#requests.write(encoder.encode(JSON.stringify(request) + "\n"));
    return await within(this.#answer<Answer>(), this.#name, ANSWER_MS);
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`${this.#name} ended`);
    const answer: unknown = JSON.parse(value);
    if (typeof answer === "object" && answer !== null && "error" in answer) {
      throw new Error(`${this.#name}: ${answer.error}`);
    }
    return answer as T;
  }
}
