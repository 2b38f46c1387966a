/** Directives of the guard in the relay. */
import type { DirectiveTable } from "./directive.ts";
import type { ServerSettings } from "./settings.ts";
import { flag, integer, oneOf, size, time } from "./simple_types.ts";
import { orOff } from "./value_type.ts";

type GuardSettings = Pick<
  ServerSettings,
  | "smtp_guard"
  | "smtp_bare_newline"
  | "smtp_nul"
  | "smtp_long_line"
  | "smtp_max_message_size"
  | "smtp_max_recipients"
  | "smtp_max_messages"
  | "smtp_data_timeout"
  | "smtp_min_data_rate"
>;

const TERABYTE = 1024 ** 4;

export const guardDirectives = {
  smtp_guard: {
    context: "both",
    type: flag,
    default: null,
    absent: "`on`; `off` with `compat: nginx`",
    doc: "Follows the dialogue of the relay in both directions and refuses what must not pass.",
    source: "Postern",
    note: "`off` relays octets blindly, as nginx does; then the other directives of this family do nothing.",
  },
  smtp_bare_newline: {
    context: "both",
    type: oneOf(["reject", "normalize", "pass"]),
    default: "reject",
    doc:
      "A CR or LF of its own in commands or content: refused with 521, repaired (LF to CRLF, CR to a space), or passed.",
    source: "Postern",
    note:
      "Only CRLF.CRLF ends a message, and what might be taken for it never passes. Chunks of BDAT have a length and " +
      "may hold anything.",
  },
  smtp_nul: {
    context: "both",
    type: oneOf(["reject", "pass"]),
    default: "reject",
    doc: "NUL octets in commands and in the content behind DATA.",
    source: "Postern",
  },
  smtp_long_line: {
    context: "both",
    type: oneOf(["reject", "pass"]),
    default: "pass",
    doc: "Lines of more than 1000 octets in the content behind DATA.",
    source: "Postern",
  },
  smtp_max_message_size: {
    context: "both",
    type: orOff(size({ least: 1, most: TERABYTE })),
    default: "off",
    doc:
      "Largest message, announced with SIZE; more is refused with 552 and never accepted by the mail server.",
    source: "Postern",
    note: "With `off` the SIZE that `smtp_capabilities` announces holds.",
  },
  smtp_max_recipients: {
    context: "both",
    type: orOff(integer({ least: 1, most: 1_000_000 })),
    default: "off",
    doc: "Most accepted recipients of one message; others get 452.",
    source: "Postern",
  },
  smtp_max_messages: {
    context: "both",
    type: orOff(integer({ least: 1, most: 1_000_000 })),
    default: "off",
    doc: "Most messages of one session; the next MAIL gets 421 and the session ends.",
    source: "Postern",
  },
  smtp_data_timeout: {
    context: "both",
    type: time(),
    default: "5m",
    doc: "How long a client may keep a message waiting for more of its content.",
    source: "Postern",
    note: "Every octet that arrives gives back a part of it, as `smtp_min_data_rate` says.",
  },
  smtp_min_data_rate: {
    context: "both",
    type: size({ least: 0, most: 1024 ** 3 }),
    default: "500",
    doc: "Octets for which a client gets a second more of `smtp_data_timeout`; slower ones run out of it.",
    source: "Postern",
    note: "With 0 any octet gives all of it back.",
  },
} as const satisfies DirectiveTable<GuardSettings>;
