import type { LogLevel } from "../ports/telemetry.ts";
import { JsonLog } from "./json_log.ts";
import { type LogSink, openFile, openStream } from "./log_sink.ts";

/** A destination of log lines as the configuration has it (`log`). */
export interface LogTarget {
  readonly to:
    | { readonly kind: "stderr" }
    | { readonly kind: "stdout" }
    | { readonly kind: "off" }
    | { readonly kind: "file"; readonly path: string };
  readonly level: LogLevel;
}

/**
 * Opens the log that `target` asks for.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when its file cannot be opened.
 */
export function openLog(target: LogTarget): JsonLog {
  if (target.to.kind === "off") return new JsonLog(NOWHERE, { level: "off" });
  return new JsonLog(target.to.kind === "file" ? openFile(target.to.path) : openStream(target.to.kind), {
    level: target.level,
  });
}

const NOWHERE: LogSink = {
  write: (octets) => Promise.resolve(octets.length),
  reopen: () => Promise.resolve(),
  close: () => {},
};
