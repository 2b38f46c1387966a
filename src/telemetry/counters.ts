import type { CounterName } from "../ports/telemetry.ts";

/** What a counter counts. */
export interface CounterRow {
  /** Name of its label, or names of several, whose values are joined by `|`. */
  readonly label: string | readonly string[];
  /** One sentence for `# HELP`. */
  readonly help: string;
}

/** One row per counter; a missing row is a type error. Its name is `postern_<row>_total`. */
export const COUNTERS: Readonly<Record<CounterName, CounterRow>> = {
  messages: { label: "outcome", help: "Messages that clients offered in relays, by how they ended." },
  recipients: {
    label: "outcome",
    help: "Recipients that mail servers were asked about, by the answer to RCPT.",
  },
  guard_refusals: { label: "reason", help: "Commands and messages that the guard of relays refused." },
  callout_failures: { label: "code", help: "Questions that got no usable answer, by what was wrong." },
  callout_failovers: {
    label: "code",
    help: "Questions that the next service was asked, by what was wrong with the one before.",
  },
  callout_service_changes: {
    label: "state",
    help: "Services that are left alone for a while (down), and that answer again (up).",
  },
  callout_circuit: {
    label: "event",
    help:
      "All services unreachable (opened), one is back (closed), questions that failed at once (refused), probes.",
  },
  auth_cache: {
    label: "event",
    help: "Questions to auth_http_cache and what became of its answers.",
  },
  upstream_failures: {
    label: ["stage", "code"],
    help: "Dialogues with mail servers that failed, by what was being done and what was wrong.",
  },
  tls_sessions: {
    label: ["protocol", "cipher"],
    help: "TLS handshakes finished with clients, by version and cipher.",
  },
  tls_server_names: {
    label: "name",
    help: "TLS handshakes finished with clients, by whether they named the server they wanted (SNI).",
  },
  upstream_failovers: {
    label: ["stage", "code"],
    help: "Failed dialogues with mail servers after which the next server was tried.",
  },
  upstream_rests: {
    label: "state",
    help: "Mail servers that are left alone after a failure (began), and that work again (ended).",
  },
  not_smtp: { label: "protocol", help: "Clients that spoke something else than SMTP, by what it was." },
  tls_refused: { label: "mode", help: "Handshakes with clients that were refused for ssl_max_handshakes." },
  log_lines_dropped: {
    label: "log",
    help: "Log lines that nobody could write, by the directive of the log.",
  },
  limit_hits: { label: "limit", help: "Connections, logins, messages and recipients that a limit refused." },
  login_backoff: {
    label: "what",
    help: "Logins that had to wait, and bans that began, after failed logins.",
  },
  limit_store: {
    label: "outcome",
    help: "Questions to the store of limits that had no answer, by what was done.",
  },
  limit_forgotten: {
    label: "family",
    help: "Counts forgotten early because the table of their kind was full.",
  },
};

/** How a counter and one of its labels are kept in one table. */
export function countKey(counter: CounterName, label: string): string {
  return `${counter} ${label}`;
}

/** Takes {@linkcode countKey} apart; null for the name that those share for which there was no room. */
export function parseCountKey(key: string): { counter: CounterName; labels: Record<string, string> } | null {
  const space = key.indexOf(" ");
  const counter = key.slice(0, space) as CounterName;
  if (space < 0 || !Object.hasOwn(COUNTERS, counter)) return null;
  const { label } = COUNTERS[counter];
  const value = key.slice(space + 1);
  if (typeof label === "string") return { counter, labels: { [label]: value } };
  const values = value.split("|");
  return { counter, labels: Object.fromEntries(label.map((name, at) => [name, values[at] ?? ""])) };
}
