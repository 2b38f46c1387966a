/**
 * The real process, as an operator starts it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PATIENCE_MS, within } from "./patience.ts";
import { type PeerOutput, runToEnd } from "./peers.ts";
import { keepOutput, WrittenFiles } from "./written_output.ts";
import { secrets } from "./secrets.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The process may have to be compiled and its packages loaded on a slow machine. */
const START_MS = 60_000;

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string; readonly msg: string };

/** Environment variables besides the test's own. */
export type Environment = Readonly<Record<string, string>>;

/** A running `postern run --config FILE`. */
export class PosternProcess {
  /** Every line of the log so far. */
  readonly log: readonly LogLine[];
  readonly #child: Deno.ChildProcess;
  readonly #lines: LogLine[] = [];
  readonly #reading: Promise<void>;
  readonly #written: WrittenFiles;
  /** All that was printed. */
  #output = "";
  #waiting: (() => void)[] = [];
  #ended = false;

  private constructor(child: Deno.ChildProcess, written: WrittenFiles) {
    this.#child = child;
    this.#written = written;
    this.log = this.#lines;
    this.#reading = this.#read();
  }

  /** Starts the process and waits until it listens on everything. */
  static start(configFile: string, env: Environment = {}): Promise<PosternProcess> {
    return PosternProcess.startWith(["--config", configFile], env);
  }

  /** The same with other arguments of `postern run`. */
  static async startWith(args: readonly string[], env: Environment = {}): Promise<PosternProcess> {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", ...await runFlags(), "mod.ts", "run", ...args],
      cwd: ROOT,
      env: { NO_COLOR: "1", ...env }, // what the runtime itself says is to be legible in a failure
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const written = await WrittenFiles.beside(configFileOf(args));
    const postern = new PosternProcess(command.spawn(), written);
    try {
      await postern.event("ready", () => true, START_MS);
    } catch (error) {
      await postern.#end("SIGKILL");
      throw error;
    }
    return postern;
  }

  /** Port of the `index`-th listening address of the configuration, as the kernel chose it. */
  port(index = 0): number {
    const line = this.log.filter(({ event }) => event === "listening")[index];
    assert.ok(line !== undefined, `no listener ${index}\n${this.#text()}`);
    const port = Number(line["port"] ?? /:(\d+)$/.exec(String(line["address"]))?.[1]);
    assert.ok(port > 0, `listener ${index} has no port: ${JSON.stringify(line)}`);
    return port;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Whether the process has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for a line with this event; lines that are there already count. */
  async event(
    name: string,
    matches: (line: LogLine) => boolean = () => true,
    ms = PATIENCE_MS,
  ): Promise<LogLine> {
    const found = async () => {
      for (;;) {
        const line = this.#lines.find((candidate) => candidate.event === name && matches(candidate));
        if (line !== undefined) return line;
        if (this.#ended) throw new Error(`The process ended without the event ${name}\n${this.#text()}`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    return await within(found(), () => `waiting for the event ${name}\n${this.#text()}`, { ms });
  }

  /** Sends a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Asks the process to end; fails when it does not, not with code 0, or when it saw an internal error. */
  async stop(): Promise<void> {
    const status = await this.#end("SIGTERM");
    await this.#assertNoSecrets();
    const internal = this.log.filter(({ event }) => event === "internal_error" || event === "unreadable");
    assert.deepEqual(internal, [], "the process logged an internal error");
    assert.deepEqual([status.code, status.signal], [0, null], `exit status\n${this.#text()}`);
  }

  async #assertNoSecrets(): Promise<void> {
    if (secrets.ignored) return;
    const output = [this.#output, ...await this.#written.texts()].join("\n");
    await keepOutput(output, secrets.forms);
    assert.deepEqual(secrets.foundIn(output), [], "the process wrote a secret");
  }

  async #end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
    if (!this.#ended) this.#child.kill(signal);
    const [status] = await within(
      Promise.all([this.#child.status, this.#reading]),
      () => `the process does not end after ${signal}\n${this.#text()}`,
      { giveUp: () => this.#child.kill("SIGKILL") },
    );
    return status;
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#lines.push(parseLine(line));
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #text(): string {
    return this.#lines.slice(-50).map((line) => JSON.stringify(line)).join("\n");
  }
}

/** The configuration among the arguments of `postern run`; nginx's prefix, where its logs are, stands for it. */
function configFileOf(args: readonly string[]): string {
  const prefix = args.indexOf("-p");
  return prefix >= 0 ? `${args[prefix + 1]}/.` : args[1] ?? "";
}

/** Runs any command of the command line to its end; `input` is its standard input. */
export async function runPostern(args: readonly string[], input = ""): Promise<PeerOutput> {
  return await runToEnd(Deno.execPath(), ["run", ...await runFlags(), "mod.ts", ...args], {
    input,
    cwd: ROOT,
  });
}

/**
 * What the command says to its user before it runs is kept as `said`, a line that is no event (a stack trace, a
 * message of the runtime) as `unreadable`.
 */
function parseLine(line: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === "object" && parsed !== null && "event" in parsed) return parsed as LogLine;
  } catch {
    // Not JSON: kept below as it is.
  }
  return { event: /^(?:postern: |\/\S+:\d+: )/.test(line) ? "said" : "unreadable", msg: line };
}

/** Flags that `deno task start` gives to `deno run`, the import map of this machine among them. */
async function runFlags(): Promise<readonly string[]> {
  return await (flags ??= readRunFlags());
}

let flags: Promise<readonly string[]> | undefined;

async function readRunFlags(): Promise<readonly string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const task: string = typeof tasks.start === "string" ? tasks.start : tasks.start.command;
  const withoutChoice = task.replace(/\$\([^)]*\)/, " ");
  const permissions = withoutChoice.split(/\s+/).filter((word) => /^--(allow|deny|unstable|v8)-/.test(word));
  assert.notEqual(permissions.length, 0, "deno.json's start task names no permissions");
  return ["--quiet", "--no-prompt", ...permissions, ...await importFlags()];
}

/** The flag for the import map of this machine, where there has to be one. */
export async function importFlags(): Promise<readonly string[]> {
  const choice = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "scripts/choose_imports.ts"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  assert.ok(choice.success, "scripts/choose_imports.ts failed");
  const map = new TextDecoder().decode(choice.stdout).trim();
  return map === ""
    ? []
    : map.split(/\s+/).map((word) => word.replace(/^(--import-map=)(?!\/)/, `$1${ROOT}`));
}
