/**
 * The logs of a process: the structured one, those in nginx's line format, and the access logs.
 *
 * @module
 */
import type { AccessLogTarget, Config, LogTarget, ServerSettings } from "../config/settings.ts";
import type { AccessLog } from "../ports/access_log.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { composeLogs } from "../telemetry/composed_log.ts";
import { composeAccessLogs, type LineAccessLog } from "../telemetry/access_log.ts";
import type { LineLog } from "../telemetry/line_log.ts";
import { destinationKey, LogOutputs } from "../telemetry/log_outputs.ts";
import { NO_METRICS } from "../telemetry/metrics.ts";
import { type LogOrigin, openAccessLog, openErrorLog, openLog } from "../telemetry/open_log.ts";

/** The logs that a configuration asks for. */
export interface Logs {
  /** For what concerns no session: `log` and the `error_log` of `mail:`. */
  readonly process: Log;
  /** For the sessions of a server: `log` and its `error_log`. */
  forServer(settings: ServerSettings): Log;
  /** Where the sessions of a server are told of when they are over: its `access_log`, or null. */
  accessFor(settings: ServerSettings): AccessLog | null;
  /** Opens all files again, after log rotation. */
  reopen(): Promise<void>;
  /** Writes what waits and closes all. */
  close(): Promise<void>;
}

/**
 * Opens all logs of `config`; what stands several times is opened once.
 * @throws {Error} when a file cannot be opened; none is left open then.
 */
export function openLogs(config: Config, origin: LogOrigin = originOf(new LogOutputs())): Logs {
  const { main, servers } = config;
  const opened = new Map<string, LineLog>();
  const access = new Map<string, LineAccessLog>();
  const structured = openLog(main.log, origin);
  const all = () => [structured, ...opened.values(), ...access.values()];
  try {
    for (const target of [main, ...servers].flatMap((level) => level.error_log)) {
      if (!opened.has(keyOf(target))) opened.set(keyOf(target), openErrorLog(target, origin));
    }
    for (const target of servers.flatMap(({ access_log }) => access_log)) {
      if (access.has(accessKey(target))) continue;
      const shared = destinationKey(target.to) === destinationKey(main.log.to) ? structured.writer : null;
      access.set(accessKey(target), openAccessLog(target, origin, shared));
    }
  } catch (error) {
    for (const log of all()) void log.close();
    throw error;
  }
  const compose = (targets: readonly LogTarget[]) =>
    composeLogs([structured, ...new Set(targets.map((target) => opened.get(keyOf(target))!))]);
  return {
    process: compose(main.error_log),
    forServer: ({ error_log }) => compose(error_log),
    accessFor: ({ access_log }) =>
      composeAccessLogs([...new Set(access_log.map((target) => access.get(accessKey(target))!))]),
    reopen: async () => void await Promise.all(all().map((log) => log.reopen())),
    close: async () => void await Promise.all(all().map((log) => log.close())),
  };
}

/** The process itself, with its destinations; lost lines are counted where `metrics` says. */
export function originOf(outputs: LogOutputs, metrics: Pick<Metrics, "count"> = NO_METRICS): LogOrigin {
  return { open: (to) => outputs.open(to), worker: null, lost: countLost(metrics) };
}

/** Counts lines of logs that were lost. */
export function countLost(metrics: Pick<Metrics, "count">): NonNullable<LogOrigin["lost"]> {
  return (log, lines) => metrics.count("log_lines_dropped", log, lines);
}

function keyOf({ to, level }: LogTarget): string {
  return `${destinationKey(to)} ${level}`;
}

function accessKey({ to, format }: AccessLogTarget): string {
  return `${destinationKey(to)} ${format}`;
}
