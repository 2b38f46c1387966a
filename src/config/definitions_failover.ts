/** Directives of how mail servers are reached and what is done when one or a service fails, after nginx's proxy and upstream modules. */
import { ipAddress } from "./addresses.ts";
import { authCache } from "./auth_cache.ts";
import type { DirectiveTable } from "./directive.ts";
import type { ServerSettings } from "./settings.ts";
import { flag, integer, time } from "./simple_types.ts";
import { listOf, orOff } from "./value_type.ts";

type CalloutFailoverSettings = Pick<ServerSettings, "auth_http_next_upstream_timeout" | "auth_http_cache">;

export const calloutFailoverDirectives = {
  auth_http_next_upstream_timeout: {
    context: "both",
    type: time({ least: 0 }),
    default: "0s",
    doc: "Time after which no other service is asked the same question; 0 for no limit.",
    source: "Postern",
  },
  auth_http_cache: {
    context: "both",
    type: orOff(authCache),
    default: "off",
    doc:
      "Remembers answers of the service, in each worker: `max=N` of either kind, `accepted=TIME` (default 1m) " +
      "and `refused=TIME` (default 5s, at most 1m).",
    source: "Postern",
  },
} as const satisfies DirectiveTable<CalloutFailoverSettings>;

type NextUpstreamSettings = Pick<
  ServerSettings,
  | "proxy_bind"
  | "proxy_next_upstream"
  | "proxy_next_upstream_tries"
  | "proxy_next_upstream_timeout"
  | "proxy_fail_timeout"
>;

export const nextUpstreamDirectives = {
  proxy_bind: {
    context: "both",
    type: orOff(listOf(ipAddress, { expected: "addresses of this machine", words: true, least: 1 })),
    default: "off",
    doc: "Addresses of this machine that connections to mail servers come from, in turns.",
    source: "Postern",
    note:
      "The name is from nginx's stream module, which takes one address, and ports, variables and `transparent`.",
  },
  proxy_next_upstream: {
    context: "both",
    type: flag,
    default: "on",
    doc:
      "Tries the next mail server, or the next address of its name, when one fails before it decided anything.",
    source: "Postern",
    note: "The names of `proxy_next_upstream*` are from nginx's stream module.",
  },
  proxy_next_upstream_tries: {
    context: "both",
    type: integer({ least: 0, most: 100 }),
    default: "0",
    doc: "Most tries for one client; 0 for as many as there are addresses.",
    source: "Postern",
  },
  proxy_next_upstream_timeout: {
    context: "both",
    type: time({ least: 0 }),
    default: "0s",
    doc: "Time after which no other server is tried for a client; 0 for no limit.",
    source: "Postern",
  },
  proxy_fail_timeout: {
    context: "both",
    type: time({ least: 0 }),
    default: "10s",
    doc:
      "How long a mail server that failed comes after all others; 0 for not at all. Each worker has its own view.",
    source: "Postern",
    note: "In nginx's upstream module it is the parameter `fail_timeout` of a server.",
  },
} as const satisfies DirectiveTable<NextUpstreamSettings>;
