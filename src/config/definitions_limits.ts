/** Directives that limit clients, after nginx's access, limit_conn and limit_req modules. */
import { addressRange } from "./addresses.ts";
import type { DirectiveTable } from "./directive.ts";
import { accessRule, connLimit, entriesOf, loginLimit, rateLimit } from "./limit_entries.ts";
import { limitStoreTarget } from "./limit_store_target.ts";
import type { LimitSettings, MainSettings } from "./settings.ts";
import { fileName, integer, oneOf, time } from "./simple_types.ts";
import { listOf, orOff } from "./value_type.ts";

type LimitStoreSettings = Pick<
  MainSettings,
  | "limit_store"
  | "limit_store_password_file"
  | "limit_store_timeout"
  | "limit_store_failure"
  | "limit_store_ssl_trusted_certificate"
>;

export const limitStoreDirectives = {
  limit_store: {
    context: "main",
    type: limitStoreTarget,
    default: "memory",
    doc:
      "Where the counts of limits are: in `memory`, or in a Redis or Valkey that several Posterns share, " +
      "`redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://...` for TLS, or `unix:/path`.",
    source: "Postern",
  },
  limit_store_password_file: {
    context: "main",
    type: orOff(fileName),
    default: "off",
    doc: "File with the password of the store, instead of one in its URL.",
    source: "Postern",
  },
  limit_store_timeout: {
    context: "main",
    type: time(),
    default: "500ms",
    doc: "Time for connecting to the store, and for each question to it.",
    source: "Postern",
  },
  limit_store_failure: {
    context: "main",
    type: oneOf(["open", "closed"]),
    default: "open",
    doc:
      "While the store is away, lets clients in uncounted (`open`), or sends them away with 421 4.3.2 (`closed`).",
    source: "Postern",
  },
  limit_store_ssl_trusted_certificate: {
    context: "main",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of the authorities that are trusted for the store instead of the runtime's.",
    source: "Postern",
  },
} as const satisfies DirectiveTable<LimitStoreSettings>;

export const limitDirectives = {
  access: {
    context: "both",
    type: entriesOf(accessRule),
    default: [],
    doc:
      "Who may connect: a list of `allow` and `deny`, each with an address, a network, `unix:` or `all`; the first " +
      "that fits decides, and whom none fits is let in.",
    source: "Postern",
    note:
      "These are nginx's `allow` and `deny`, in one list because a YAML file has no order of keys. Behind " +
      "`proxy_protocol` they hold for the client that the header names.",
  },
  limit_conn: {
    context: "both",
    type: entriesOf(connLimit),
    default: [],
    doc:
      "Most connections at a time: a list of `client N`, `user N`, `total N`, each with `zone=NAME` if counts are " +
      "not to be shared with other servers.",
    source: "Postern",
    note: "As in nginx's HTTP and stream modules, but without `limit_conn_zone`: the keys are given.",
  },
  limit_req: {
    context: "both",
    type: entriesOf(rateLimit),
    default: [],
    doc:
      "Rates: a list of `connections`, `messages` or `recipients`, then `client`, `user` or `total`, then " +
      "`rate=30r/m` (`r/s`, `r/m`, `r/h`, `r/d`), `burst=N`, `zone=NAME`.",
    source: "Postern",
    note:
      "nginx's leaky bucket, always as with `nodelay`: one request is free, `burst` more may come at once.",
  },
  limit_login: {
    context: "both",
    type: entriesOf(loginLimit),
    default: ["client delay=10"],
    compatDefault: "off",
    doc:
      "What failed logins bring: a list of `client` or `user`, then from how many on the next login waits " +
      "(`delay=N`: 1 s, 2 s, 4 s, up to 15 s), is refused unasked (`refuse=N`), and bans for a time (`ban=N`).",
    source: "Postern",
    note:
      "`forget=5m` is the time in which one failure is forgotten, `ban_time=15m` the first ban, doubled each " +
      "time up to `ban_max=1d`. The same credentials count once. A user may sign in from where he has before, " +
      "whatever others do to `user`. With `compat: nginx` the default is `off`.",
  },
  limit_exempt: {
    context: "both",
    type: listOf(addressRange, { expected: addressRange.expected, words: true }),
    default: [],
    doc: "Clients that no limit by `client` holds for: addresses, networks, or `unix:`.",
    source: "Postern",
  },
  limit_ipv4_prefix: {
    context: "both",
    type: integer({ least: 8, most: 32 }),
    default: "32",
    doc: "Bits of an IPv4 address that tell one client from another.",
    source: "Postern",
  },
  limit_ipv6_prefix: {
    context: "both",
    type: integer({ least: 16, most: 128 }),
    default: "64",
    doc: "Bits of an IPv6 address that tell one client from another.",
    source: "Postern",
  },
} as const satisfies DirectiveTable<LimitSettings>;
