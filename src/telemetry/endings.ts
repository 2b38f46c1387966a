/**
 * How sessions end: a stable list, the values of `outcome` in the access log and of the label in the metrics.
 *
 * @module
 */
import type { EndingSide, SessionOutcome } from "../ports/telemetry.ts";

/** One way in which a session ends. */
interface Ending {
  /** Who ended it; `relay` is whoever ended the relay first. */
  readonly side: EndingSide | "relay";
  /** For README. */
  readonly meaning: string;
}

/** A row that is missing is a type error. The order is that of the numbers in the metrics' memory. */
export const ENDINGS: Readonly<Record<SessionOutcome, Ending>> = {
  relayed: {
    side: "relay",
    meaning: "A relay ran, and the client or the mail server closed its connection.",
  },
  quit: { side: "client", meaning: "QUIT before a relay." },
  client_closed: { side: "client", meaning: "The client closed or lost its connection before a relay." },
  timeout: { side: "postern", meaning: "The client was silent for too long before a relay." },
  too_many_errors: { side: "postern", meaning: "`max_errors` was reached." },
  too_many_commands: { side: "postern", meaning: "`max_commands` was reached." },
  pipelining: {
    side: "postern",
    meaning: "The client did not wait for a reply (`smtp_reject_unauth_pipelining`).",
  },
  not_smtp: { side: "postern", meaning: "The client spoke something else than SMTP." },
  early_talker: { side: "postern", meaning: "The client spoke before the greeting." },
  line_too_long: { side: "postern", meaning: "A command was longer than `smtp_client_buffer`." },
  proxy_header: { side: "postern", meaning: "The PROXY header was broken, missing, or from a stranger." },
  denied: { side: "postern", meaning: "`access` refused the client." },
  limited: { side: "postern", meaning: "A limit refused the client, or their store was away." },
  tls_failed: { side: "client", meaning: "The TLS handshake with the client failed." },
  tls_refused: { side: "postern", meaning: "`ssl_max_handshakes` were under way already." },
  certificate: { side: "postern", meaning: "`ssl_verify_client` refused the client's certificate." },
  refused: { side: "postern", meaning: "The auth service refused the client, and did not let it try again." },
  auth_unavailable: { side: "postern", meaning: "The auth service gave no answer that could be used." },
  upstream_failed: {
    side: "upstream",
    meaning: "The mail server could not be reached or refused the session.",
  },
  relay_lost: {
    side: "relay",
    meaning:
      "The connection of the client or of the mail server was reset in a relay, or the mail server left before its reply.",
  },
  relay_timeout: { side: "postern", meaning: "Nothing moved in a relay for `proxy_timeout`." },
  relay_refused: { side: "postern", meaning: "The guard refused what the client did in a relay." },
  shutdown: { side: "postern", meaning: "Postern was told to end." },
  dismissed: { side: "postern", meaning: "An operator ended it." },
  internal_error: {
    side: "postern",
    meaning: "A mistake in Postern, or the worker crashed; then there is no line.",
  },
};

/** Which side ended a session; `relayEndedBy` is null where there was no relay. */
export function endingSide(outcome: SessionOutcome, relayEndedBy: "client" | "upstream" | null): EndingSide {
  const { side } = ENDINGS[outcome];
  return side === "relay" ? relayEndedBy ?? "client" : side;
}

/** The list for README, in Markdown. */
export function endingTable(): string {
  const rows = Object.entries(ENDINGS).map(([outcome, { side, meaning }]) =>
    `| \`${outcome}\` | ${side === "relay" ? "`client` or `upstream`" : `\`${side}\``} | ${meaning} |`
  );
  return ["| `outcome` | `side` | Meaning |", "| --- | --- | --- |", ...rows, ""].join("\n");
}
