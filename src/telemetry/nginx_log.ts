import { type LineFormat, LineLog, type LineLogOptions } from "./line_log.ts";
import type { LogSink } from "./log_sink.ts";
import { nginxEntry } from "./nginx_events.ts";
import { formatNginxLine } from "./nginx_line.ts";
import { SEVERITY } from "./severity.ts";

/** A log in nginx's line format, with nginx's levels and messages (`error_log`). */
export class NginxLog extends LineLog {
  /** `worker` is the number of the thread, or null for the first one. */
  constructor(sink: LogSink, options: LineLogOptions, worker: number | null = null) {
    super(sink, nginxFormat(SEVERITY[options.level], worker), options);
  }
}

function nginxFormat(threshold: number, worker: number | null): LineFormat {
  // The first thread of a process has its number (gettid(2)); those of the others are not known to the runtime.
  const process = `${Deno.pid}#${worker ?? Deno.pid}`;
  let stampedAt = NaN;
  let stamp = "";
  return (now, level, event, message, session, fields) => {
    const entry = nginxEntry(level, event, message, session, fields);
    if (entry === null) return null;
    // Only where nginx has another level: the event itself has passed.
    if (entry.level !== level && SEVERITY[entry.level] < threshold) return null;
    const second = Math.floor(now / 1000);
    if (second !== stampedAt) {
      stampedAt = second;
      stamp = localTime(new Date(now));
    }
    return formatNginxLine(stamp, process, entry, session);
  };
}

/** `2026/11/23 15:04:05` in the time zone of the system. */
function localTime(time: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${time.getFullYear()}/${two(time.getMonth() + 1)}/${two(time.getDate())} ` +
    `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
