/**
 * The destinations of all logs of the process, each opened once.
 *
 * Logs in several formats and those of other threads may write to one file or stream. Each batch of lines is written
 * whole before the next begins, so that no line is cut by another one: the system promises that for small writes only.
 *
 * @module
 */
import type { LogTarget } from "./open_log.ts";
import { type LogSink, openFile, openStream } from "./log_sink.ts";

/** Where lines go, without a level. */
export type LogDestination = LogTarget["to"];

/** Opens destinations, and shares those that are open. */
export class LogOutputs {
  readonly #open = new Map<string, Output>();

  /**
   * A sink of one log. Its `write` takes all octets or rejects.
   * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when the file cannot be opened.
   */
  open(to: LogDestination): LogSink {
    if (to.kind === "off") return NOWHERE;
    const key = destinationKey(to);
    const output = this.#open.get(key) ??
      new Output(to.kind === "file" ? openFile(to.path) : openStream(to.kind));
    this.#open.set(key, output);
    output.users++;
    return {
      write: (octets) => output.write(octets),
      reopen: () => output.reopen(),
      close: () => {
        if (--output.users > 0) return;
        this.#open.delete(key);
        output.close();
      },
    };
  }
}

/** One text for each destination. */
export function destinationKey(to: LogDestination): string {
  return to.kind === "file" ? `file ${to.path}` : to.kind;
}

const NEWLINE = new Uint8Array([0x0a]);

/** A destination with the writes that wait for it. */
class Output {
  users = 0;
  readonly #sink: LogSink;
  #last: Promise<unknown> = Promise.resolve();
  /** Whether the last line has no end, as the sink failed in the middle of it. */
  #torn = false;

  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  write(octets: Uint8Array): Promise<number> {
    return this.#inTurn(async () => {
      if (this.#torn) await this.#writeAll(NEWLINE);
      this.#torn = false;
      await this.#writeAll(octets);
      return octets.length;
    });
  }

  reopen(): Promise<void> {
    return this.#inTurn(() => this.#sink.reopen());
  }

  close(): void {
    this.#sink.close();
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(act);
    this.#last = result.catch(() => {
      // Whoever asked is told; the next one tries again.
    });
    return result;
  }

  async #writeAll(octets: Uint8Array): Promise<void> {
    let written = 0;
    try {
      while (written < octets.length) {
        const taken = await this.#sink.write(octets.subarray(written));
        if (taken === 0) throw new Deno.errors.WriteZero("the log took nothing");
        written += taken;
      }
    } catch (error) {
      this.#torn ||= written > 0;
      throw error;
    }
  }
}

const NOWHERE: LogSink = {
  write: (octets) => Promise.resolve(octets.length),
  reopen: () => Promise.resolve(),
  close: () => {},
};
