import { displayText, quoteText } from "../bytes/latin1.ts";
import type { Metrics } from "../ports/telemetry.ts";
import type { GuardNote } from "../session/guard_rules.ts";
import type { SessionLog } from "./session_log.ts";

/** Counts a recipient by the mail server's reply to RCPT. */
export function countRecipient(code: number, metrics: Metrics): void {
  metrics.count("recipients", code < 300 ? "accepted" : "refused");
}

/** Logs and counts what the guard of a relay says. */
export function tellGuardNote(note: GuardNote, log: SessionLog, metrics: Metrics): void {
  switch (note.kind) {
    case "command":
      metrics.command(note.verb, note.code);
      if (note.verb === "RCPT") countRecipient(note.code, metrics);
      return;
    case "message": {
      const { record } = note;
      metrics.count("messages", record.outcome);
      metrics.observe("message_duration_seconds", record.seconds);
      metrics.observe("message_size_bytes", record.octets);
      log.message(record);
      return;
    }
    case "refused": {
      const reply = String.fromCharCode(...note.reply.bytes).trimEnd();
      metrics.count("guard_refusals", note.reason);
      log.note("info", "relay_refused", `client was refused in the relay: ${quoteText(reply)}`, {
        reason: note.reason,
      });
      return;
    }
    case "upstream_fault":
      metrics.count("upstream_failures", `relay|${note.code}`);
      log.note("error", "relay_invalid_reply", `upstream sent invalid response: ${quoteText(note.got)}`, {
        code: note.code,
        got: displayText(note.got),
      });
  }
}
