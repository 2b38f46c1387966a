/**
 * The messages that Postfix's smtp-sink has dumped into one file (its option `-D`).
 *
 * @module
 */
import type { SinkTotals } from "./sink_session.ts";

/** Begins each message; no line of the bench's messages is like it. */
const FIRST_HEADER = "X-Client-Addr: ";
/** Ends the headers that smtp-sink adds. */
const LAST_HEADER = /^\tby smtp-sink .*\n\t.*\n/m;

/** Compares each message of `dump` with `content`, which has bare LF as the dump has. */
export function checkDump(dump: string, content: string): SinkTotals {
  const totals: SinkTotals = { messages: 0, octets: 0, faults: [] };
  for (const record of dump.split(FIRST_HEADER).slice(1)) {
    const end = LAST_HEADER.exec(record);
    const received = end === null ? record : record.slice(end.index + end[0].length);
    // smtp-sink ends each message with an empty line.
    if (end !== null && received.trimEnd() === content.trimEnd()) {
      totals.messages++;
      totals.octets += content.length + content.split("\n").length - 1;
    } else if (totals.faults.length < 10) {
      totals.faults.push(`a message was changed: ${received.slice(0, 80)}`);
    }
  }
  return totals;
}
