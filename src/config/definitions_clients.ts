/** Directives about clients that are slow, strange or many before the relay begins. */
import type { DirectiveTable } from "./directive.ts";
import type { ServerSettings } from "./settings.ts";
import { integer, oneOf, time } from "./simple_types.ts";

type ClientSettings = Pick<
  ServerSettings,
  "max_commands" | "smtp_reject_unauth_pipelining" | "ssl_handshake_timeout" | "ssl_max_handshakes"
>;

export const clientDirectives = {
  max_commands: {
    context: "both",
    type: integer({ least: 0, most: 1_000_000_000 }),
    default: "1000",
    doc: "Number of commands before the relay after which the connection is closed; 0 is no limit.",
    source: "Postern",
    note: "The name is from freenginx and Angie.",
  },
  smtp_reject_unauth_pipelining: {
    context: "both",
    type: oneOf(["auto", "on", "off"]),
    default: "auto",
    doc:
      "Turns a client away that sends more before the reply, unless after EHLO with PIPELINING announced and in a " +
      "group of RFC 2920; `auto` does so where `smtp_auth` has `none`.",
    source: "Postern",
    note: "As Postfix's smtpd_forbid_unauth_pipelining. With `compat: nginx`, `auto` is `off`.",
  },
  ssl_handshake_timeout: {
    context: "both",
    type: time(),
    default: "60s",
    doc: "Time for a TLS handshake with a client; `timeout` and `session_timeout` hold besides.",
    source: "Postern",
    note: "The name is from nginx's stream module.",
  },
  ssl_max_handshakes: {
    context: "both",
    type: integer({ least: 0, most: 1_000_000 }),
    default: "1024",
    doc:
      "Number of TLS handshakes with the server's clients that each worker has under way. Beyond, one that takes " +
      "more than 5 seconds is ended; where there is none, STARTTLS gets 454 and implicit " +
      "TLS is closed. 0 is no limit.",
    source: "Postern",
  },
} as const satisfies DirectiveTable<ClientSettings>;
