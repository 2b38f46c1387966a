import type { Log, LogFields, LogLevel, SessionContext } from "../ports/telemetry.ts";

/** One log that gives every event to each of several. */
export function composeLogs(logs: readonly Log[]): Log {
  const [only] = logs;
  return logs.length === 1 && only !== undefined ? only : new ComposedLog(logs);
}

class ComposedLog implements Log {
  readonly #logs: readonly Log[];

  constructor(logs: readonly Log[]) {
    this.#logs = logs;
  }

  enabled(level: LogLevel): boolean {
    for (const log of this.#logs) if (log.enabled(level)) return true;
    return false;
  }

  event(
    level: LogLevel,
    event: string,
    message: string,
    session: SessionContext | null,
    fields?: LogFields,
  ): void {
    for (const log of this.#logs) log.event(level, event, message, session, fields);
  }
}
