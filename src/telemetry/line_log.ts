/**
 * A log of lines, in whatever format, formatted at once and written later ({@linkcode LineWriter}).
 *
 * @module
 */
import type { Log, LogFields, LogLevel, SessionContext } from "../ports/telemetry.ts";
import { LineWriter, type LineWriterOptions } from "./line_writer.ts";
import type { LogSink } from "./log_sink.ts";
import { SEVERITY } from "./severity.ts";

/** Formats one event as a line, line end included; null when the format has no line for it. */
export type LineFormat = (
  /** Milliseconds since the epoch. */
  now: number,
  level: LogLevel,
  event: string,
  message: string,
  session: SessionContext | null,
  fields: LogFields | undefined,
) => string | null;

/** Settings of a {@linkcode LineLog}. From `crit` on no line waits for others. */
export interface LineLogOptions extends LineWriterOptions {
  /** The least severe level that is written; `off` writes nothing. */
  readonly level: LogLevel | "off";
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number;
}

/** A {@linkcode Log} over a {@linkcode LogSink}. None of its methods throws or rejects. */
export class LineLog implements Log {
  readonly #writer: LineWriter;
  readonly #format: LineFormat;
  readonly #threshold: number;
  readonly #now: () => number;

  constructor(sink: LogSink, format: LineFormat, options: LineLogOptions) {
    this.#format = format;
    this.#threshold = SEVERITY[options.level];
    this.#now = options.now ?? Date.now;
    // What the log has to say of itself is written whatever its level is.
    const own = (level: LogLevel, event: string, message: string, fields?: LogFields) =>
      format(this.#now(), level, event, message, null, fields) ?? "";
    this.#writer = new LineWriter(sink, own, options);
  }

  /** For others that write to the same destination: their lines keep the order in which they were written. */
  get writer(): LineWriter {
    return this.#writer;
  }

  enabled(level: LogLevel): boolean {
    return SEVERITY[level] >= this.#threshold && !this.#writer.closed;
  }

  event(
    level: LogLevel,
    event: string,
    message: string,
    session: SessionContext | null,
    fields?: LogFields,
  ): void {
    if (!this.enabled(level)) return;
    const line = this.#format(this.#now(), level, event, message, session, fields);
    if (line !== null) this.#writer.write(line, SEVERITY[level] >= SEVERITY.crit);
  }

  /** Settles when the lines so far are written, or the sink has taken too long. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Opens the sink again, after log rotation (nginx: USR1). Failure is logged to the sink as it was. */
  reopen(): Promise<void> {
    return this.#writer.reopen();
  }

  /** Writes what waits and releases the sink. Idempotent; later events are ignored. */
  close(): Promise<void> {
    return this.#writer.close();
  }
}
