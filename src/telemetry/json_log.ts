import { formatLine } from "./json_line.ts";
import { type LineFormat, LineLog, type LineLogOptions } from "./line_log.ts";
import type { LogSink } from "./log_sink.ts";

/** The structured log: one JSON object per line. */
export class JsonLog extends LineLog {
  /** `worker` is the number that every line tells, unless it is null. */
  constructor(sink: LogSink, options: LineLogOptions, worker: number | null = null) {
    super(sink, jsonFormat(worker), options);
  }
}

function jsonFormat(worker: number | null): LineFormat {
  let stampedAt = NaN;
  let stamp = "";
  return (now, level, event, message, session, fields) => {
    // The access log has more to say of it.
    if (event === "session_closed") return null;
    if (now !== stampedAt) {
      stampedAt = now;
      stamp = new Date(now).toISOString();
    }
    return formatLine(stamp, level, event, message, session, fields, worker);
  };
}
