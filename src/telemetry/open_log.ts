import type { LogLevel } from "../ports/telemetry.ts";
import { type AccessLogOptions, LineAccessLog } from "./access_log.ts";
import { JsonLog } from "./json_log.ts";
import type { LineLogOptions } from "./line_log.ts";
import type { LineWriter } from "./line_writer.ts";
import type { LogSink } from "./log_sink.ts";
import { NginxLog } from "./nginx_log.ts";

/** A destination of log lines as the configuration has it (`log`, `error_log`). */
export interface LogTarget {
  readonly to:
    | { readonly kind: "stderr" }
    | { readonly kind: "stdout" }
    | { readonly kind: "off" }
    | { readonly kind: "file"; readonly path: string };
  readonly level: LogLevel;
}

/** Nobody who reads a log notices, and a busy process makes fifty writes in a second instead of thousands. */
const GATHER_MS = 20;

/** Where logs are opened from. */
export interface LogOrigin {
  /** Opens a destination. */
  readonly open: (to: LogTarget["to"]) => LogSink;
  /** Number of the worker that logs, from 1; null for the process itself. */
  readonly worker: number | null;
  /** Told of lines that were lost, and of which log. */
  readonly lost?: (log: "log" | "error_log" | "access_log", lines: number) => void;
}

/**
 * Opens the structured log that `target` asks for.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when its file cannot be opened.
 */
export function openLog(target: LogTarget, { open, worker, lost }: LogOrigin): JsonLog {
  return new JsonLog(open(target.to), optionsOf(target, (lines) => lost?.("log", lines)), worker);
}

/**
 * Opens a log in nginx's line format.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when its file cannot be opened.
 */
export function openErrorLog(target: LogTarget, { open, worker, lost }: LogOrigin): NginxLog {
  return new NginxLog(open(target.to), optionsOf(target, (lines) => lost?.("error_log", lines)), worker);
}

/** A destination of the access log as the configuration has it (`access_log`). */
export interface AccessLogTarget {
  readonly to: Exclude<LogTarget["to"], { readonly kind: "off" }>;
  readonly format: AccessLogOptions["format"];
}

/**
 * Opens an access log, or writes with the `writer` of a log that has its destination.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when its file cannot be opened.
 */
export function openAccessLog(
  { to, format }: AccessLogTarget,
  { open, worker, lost }: LogOrigin,
  writer: LineWriter | null,
): LineAccessLog {
  return new LineAccessLog(writer ?? open(to), {
    format,
    worker,
    gatherMs: GATHER_MS,
    lost: (lines) => lost?.("access_log", lines),
  });
}

function optionsOf({ to, level }: LogTarget, lost: (lines: number) => void): LineLogOptions {
  return { level: to.kind === "off" ? "off" : level, gatherMs: GATHER_MS, lost };
}
