import type { LogLevel } from "../ports/telemetry.ts";
import { JsonLog } from "./json_log.ts";
import { type LogSink, openFile, openStream } from "./log_sink.ts";
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

/**
 * Opens the structured log that `target` asks for.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when its file cannot be opened.
 */
export function openLog(target: LogTarget): JsonLog {
  return new JsonLog(openSink(target), { level: target.to.kind === "off" ? "off" : target.level });
}

/**
 * Opens a log in nginx's line format.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when its file cannot be opened.
 */
export function openErrorLog(target: LogTarget): NginxLog {
  return new NginxLog(openSink(target), { level: target.to.kind === "off" ? "off" : target.level });
}

function openSink({ to }: LogTarget): LogSink {
  if (to.kind === "off") return NOWHERE;
  return to.kind === "file" ? openFile(to.path) : openStream(to.kind);
}

const NOWHERE: LogSink = {
  write: (octets) => Promise.resolve(octets.length),
  reopen: () => Promise.resolve(),
  close: () => {},
};
