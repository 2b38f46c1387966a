/**
 * Postfix's smtp-source and smtp-sink: a client and a mail server written in C, without TLS and AUTH.
 *
 * @module
 */
import { type CpuTime, cpuTime } from "./accounting.ts";
import { checkDump } from "./dump_text.ts";
import { messageChunk } from "./message.ts";
import { greeted, unusedPorts } from "./ports.ts";
import { type Processes, within } from "./processes.ts";
import type { SinkTotals } from "./sink_session.ts";

export const SMTP_SOURCE = "/usr/sbin/smtp-source";
export const SMTP_SINK = "/usr/sbin/smtp-sink";
/** The longest run, milliseconds. */
const RUN_MS = 120_000;
/** How often the CPU time of smtp-source is read while it runs, milliseconds. */
const SAMPLE_MS = 20;

/** A mail server that writes what it takes into a file. */
export class PostfixSink {
  readonly port: number;
  readonly #processes: Processes;
  readonly #child: Deno.ChildProcess;
  readonly #dump: string;
  readonly #content: string;

  private constructor(
    processes: Processes,
    child: Deno.ChildProcess,
    port: number,
    dump: string,
    octets: number,
  ) {
    this.#processes = processes;
    this.#child = child;
    this.port = port;
    this.#dump = dump;
    this.#content = linesOf(octets);
  }

  /** Starts smtp-sink; `octets` is the length of the messages to come. */
  static async start(processes: Processes, folder: string, octets: number): Promise<PostfixSink> {
    const [port] = unusedPorts(1) as [number];
    // As root it gives its privileges away, and must still be able to write.
    const dumps = await Deno.makeTempDir({ dir: folder, prefix: "smtp-sink-" });
    await Deno.chmod(dumps, 0o777);
    const dump = `${dumps}/all`;
    const privileges = Deno.uid() === 0 ? ["-u", "nobody"] : [];
    const child = processes.spawn(SMTP_SINK, [...privileges, "-D", dump, `127.0.0.1:${port}`, "4096"]);
    await greeted(port, child, "smtp-sink");
    return new PostfixSink(processes, child, port, dump, octets);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async end(): Promise<void> {
    await this.#processes.end(this.#child);
  }

  /** What came since it was asked last; messages are dumped before they are answered, so none is missing. */
  async take(): Promise<SinkTotals> {
    try {
      return checkDump(await Deno.readTextFile(this.#dump), this.#content);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return { messages: 0, octets: 0, faults: [] };
    } finally {
      await Deno.remove(this.#dump).catch(() => {/* nothing came */});
    }
  }
}

/** What is sent by {@linkcode runPostfixSource}. */
export interface SourceOptions {
  readonly port: number;
  readonly sessions: number;
  readonly concurrency: number;
  /** Length of each message. */
  readonly octets: number;
  readonly folder: string;
}

/**
 * Runs smtp-source: sessions with one message each.
 * @throws {Error} when it fails or takes too long.
 */
export async function runPostfixSource(
  processes: Processes,
  { port, sessions, concurrency, octets, folder }: SourceOptions,
): Promise<{ readonly seconds: number; readonly cpu: CpuTime }> {
  const file = `${folder}/message-${octets}`;
  await Deno.writeTextFile(file, linesOf(octets));
  const start = performance.now();
  const args = ["-s", `${concurrency}`, "-m", `${sessions}`, "-F", file, `inet:127.0.0.1:${port}`];
  const child = processes.spawn(SMTP_SOURCE, args);
  // A process that has ended has no accounting left: the last reading before that counts.
  let cpu: CpuTime = { user: 0, system: 0 };
  const sampling = setInterval(() => {
    try {
      cpu = cpuTime([child.pid]);
    } catch {
      // It has ended.
    }
  }, SAMPLE_MS);
  try {
    const { code } = await within(child.status, "smtp-source", RUN_MS);
    if (code !== 0) throw new Error(`smtp-source failed with code ${code}`);
    return { seconds: (performance.now() - start) / 1000, cpu };
  } finally {
    clearInterval(sampling);
  }
}

function linesOf(octets: number): string {
  return new TextDecoder().decode(messageChunk(octets, 0)).replaceAll("\r\n", "\n");
}
