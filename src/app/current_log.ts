import type { Log, LogFields, LogLevel, SessionContext } from "../ports/telemetry.ts";

/** A log that goes on in another one when the configuration changes. */
export class CurrentLog implements Log {
  #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** From now on lines go to `log`. */
  use(log: Log): void {
    this.#log = log;
  }

  enabled(level: LogLevel): boolean {
    return this.#log.enabled(level);
  }

  event(
    level: LogLevel,
    event: string,
    message: string,
    session: SessionContext | null,
    fields?: LogFields,
  ): void {
    this.#log.event(level, event, message, session, fields);
  }
}
