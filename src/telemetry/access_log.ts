import type { AccessLog, SessionRecord } from "../ports/access_log.ts";
import type { LogFields, LogLevel, MessageRecord, SessionContext } from "../ports/telemetry.ts";
import { ACCESS_FORMATS, type AccessFormat } from "./access_format.ts";
import { LineWriter, type LineWriterOptions } from "./line_writer.ts";
import type { LogSink } from "./log_sink.ts";

/** Settings of a {@linkcode LineAccessLog}. */
export interface AccessLogOptions extends LineWriterOptions {
  readonly format: keyof typeof ACCESS_FORMATS;
  /** Number of the worker that logs; null for the first thread. */
  readonly worker?: number | null;
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number;
}

/** Writes a line for every session and for every message. None of its methods throws or rejects. */
export class LineAccessLog implements AccessLog {
  readonly #writer: LineWriter;
  /** Whether nobody else writes with it. */
  readonly #owner: boolean;
  readonly #format: AccessFormat;
  readonly #worker: number | null;
  readonly #now: () => number;
  #stampedAt = NaN;
  #stamp = "";

  /** Writes to a sink of its own, or with the writer of another log that has the same destination. */
  constructor(to: LogSink | LineWriter, options: AccessLogOptions) {
    const format = ACCESS_FORMATS[options.format];
    this.#format = format;
    this.#worker = options.worker ?? null;
    this.#now = options.now ?? Date.now;
    this.#owner = !(to instanceof LineWriter);
    const own = (level: LogLevel, event: string, message: string, fields?: LogFields) =>
      format.own(this.#time(), level, event, message, fields);
    this.#writer = to instanceof LineWriter ? to : new LineWriter(to, own, options);
  }

  session(record: SessionRecord): void {
    this.#writer.write(this.#format.session(this.#time(), record, this.#worker));
  }

  message(session: SessionContext, record: MessageRecord): void {
    this.#writer.write(this.#format.message(this.#time(), session, record, this.#worker));
  }

  /** Opens the sink again, after log rotation; with another log's writer that is for that log to do. */
  async reopen(): Promise<void> {
    if (this.#owner) await this.#writer.reopen();
  }

  /** Writes what waits and releases the sink, unless it is another log's. Idempotent. */
  async close(): Promise<void> {
    if (this.#owner) await this.#writer.close();
  }

  #time(): string {
    const now = this.#now();
    if (now !== this.#stampedAt) {
      this.#stampedAt = now;
      this.#stamp = new Date(now).toISOString();
    }
    return this.#stamp;
  }
}

/** One access log that tells each of several; null for none. */
export function composeAccessLogs(logs: readonly AccessLog[]): AccessLog | null {
  const [only] = logs;
  if (only === undefined) return null;
  if (logs.length === 1) return only;
  return {
    session(record) {
      for (const log of logs) log.session(record);
    },
    message(session, record) {
      for (const log of logs) log.message(session, record);
    },
  };
}
