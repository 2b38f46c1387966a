/**
 * Lines on their way to a sink.
 *
 * A line is written later, together with the others that came meanwhile. One write is under way at a time, so that
 * lines keep their order and a slow reader of the log delays no session; while it waits, at most
 * {@linkcode BUFFER_UNITS} are kept, and what comes on top is dropped, counted and reported. It may also wait for more
 * lines before it writes: a write for each of them would cost more than all the formatting.
 *
 * @module
 */
import type { LogFields, LogLevel } from "../ports/telemetry.ts";
import type { LogSink } from "./log_sink.ts";

/** Bound of the lines that wait for the sink, in UTF-16 units: for ASCII, 1 MiB. */
const BUFFER_UNITS = 1024 * 1024;

/** So many units are written without waiting for more. */
const BATCH_UNITS = 64 * 1024;

/** How long `flush()` and `close()` wait for a sink that takes nothing, in milliseconds. */
const FLUSH_MS = 2000;

/** Formats what the writer has to say of itself, line end included. */
export type OwnLine = (level: LogLevel, event: string, message: string, fields?: LogFields) => string;

/** Settings of a {@linkcode LineWriter}. */
export interface LineWriterOptions {
  /** Time limit of `flush()` and `close()` in milliseconds; 2000 by default. */
  readonly flushMs?: number;
  /** How long a line waits for others, in milliseconds; 0 by default. Urgent ones do not wait. */
  readonly gatherMs?: number;
  /** Told of lines that nobody will ever read. */
  readonly lost?: (lines: number) => void;
}

/** A bounded queue of lines before a {@linkcode LogSink}. None of its methods throws or rejects. */
export class LineWriter {
  readonly #sink: LogSink;
  readonly #own: OwnLine;
  readonly #flushMs: number;
  readonly #gatherMs: number;
  readonly #lost: (lines: number) => void;
  readonly #encoder = new TextEncoder();
  #pending = "";
  #pendingLines = 0;
  #dropped = 0;
  #reopenWanted = false;
  #writing: Promise<void> | null = null;
  #closed = false;
  /** Whether what is pending is to be written now. */
  #urgent = false;
  #hurry: (() => void) | null = null;

  constructor(sink: LogSink, own: OwnLine, options: LineWriterOptions) {
    this.#sink = sink;
    this.#own = own;
    this.#flushMs = options.flushMs ?? FLUSH_MS;
    this.#gatherMs = options.gatherMs ?? 0;
    this.#lost = options.lost ?? (() => {});
  }

  /** Whether it was closed: later lines are ignored. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Takes a line with its end. */
  write(line: string, urgent = false): void {
    if (this.#closed) return;
    if (this.#pending.length + line.length > BUFFER_UNITS) {
      this.#drop(1);
      return;
    }
    this.#append(line);
    if (urgent || this.#pending.length >= BATCH_UNITS) this.#writeNow();
    this.#writing ??= this.#writeAll();
  }

  /** Settles when the lines so far are written, or the sink has taken too long. */
  async flush(): Promise<void> {
    if (this.#writing === null) return;
    this.#writeNow();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, this.#flushMs);
    await Promise.race([this.#writing, late.promise]);
    clearTimeout(timer);
  }

  /** Opens the sink again, after log rotation (nginx: USR1). Failure is logged to the sink as it was. */
  async reopen(): Promise<void> {
    if (this.#closed) return;
    this.#reopenWanted = true;
    this.#writing ??= this.#writeAll();
    await this.flush();
  }

  /** Writes what waits and releases the sink. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flush();
    this.#sink.close();
  }

  #append(line: string): void {
    this.#pending += line;
    this.#pendingLines++;
  }

  async #writeAll(): Promise<void> {
    // Lines of the same turn come along.
    await Promise.resolve();
    while (this.#pendingLines > 0 || this.#reopenWanted) {
      if (this.#gatherMs > 0 && !this.#urgent) await this.#gather();
      if (this.#reopenWanted) await this.#reopenSink();
      if (this.#pendingLines > 0) await this.#writeBatch();
    }
    this.#writing = null;
  }

  #writeNow(): void {
    this.#urgent = true;
    this.#hurry?.();
  }

  #gather(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#hurry = null;
        resolve();
      };
      const timer = setTimeout(done, this.#gatherMs);
      this.#hurry = done;
    });
  }

  async #writeBatch(): Promise<void> {
    const lines = this.#pendingLines;
    const dropped = this.#dropped;
    const batch = this.#encoder.encode(this.#pending + this.#droppedLine());
    this.#pending = "";
    this.#pendingLines = 0;
    this.#urgent = false;
    let written = 0;
    try {
      while (written < batch.length) {
        const taken = await this.#sink.write(batch.subarray(written));
        if (taken === 0) throw new Deno.errors.WriteZero("the log took nothing");
        written += taken;
      }
      this.#dropped -= dropped;
    } catch {
      // There is nowhere to tell it now; the count is told when the sink works again.
      this.#drop(lines);
      // A torn line must not swallow the next one.
      if (written > 0) this.#pending = "\n" + this.#pending;
    }
  }

  #drop(lines: number): void {
    this.#dropped += lines;
    this.#lost(lines);
  }

  #droppedLine(): string {
    if (this.#dropped === 0) return "";
    const fields = { lines: this.#dropped };
    return this.#own("warn", "log_dropped", "log lines were dropped", fields);
  }

  async #reopenSink(): Promise<void> {
    this.#reopenWanted = false;
    try {
      await this.#sink.reopen();
    } catch (error) {
      const message = `cannot reopen the log: ${error instanceof Error ? error.message : String(error)}`;
      this.#append(this.#own("error", "log_reopen_failed", message));
    }
  }
}
