/** Directives of the process and of listeners, after nginx's mail core and realip modules. */
import { addressRange, resolverTarget } from "./addresses.ts";
import type { DirectiveTable } from "./directive.ts";
import { accessLogTargets } from "./access_log_target.ts";
import { listenEntries, type ListenEntry } from "./listen.ts";
import { errorLogTarget, logTarget } from "./log_target.ts";
import type { MainSettings, ServerSettings } from "./settings.ts";
import { fileName, flag, hostName, integer, oneOf, processCount, time } from "./simple_types.ts";
import { listOf, orOff } from "./value_type.ts";

/** What only `mail:` says; `error_log` is a directive of servers that `mail:` may have as well. */
export type MainDirectiveValues = Omit<MainSettings, "error_log">;

/** Those of the process itself; `definitions_admin.ts` has others. */
type ProcessSettings = Pick<
  MainDirectiveValues,
  "log" | "worker_processes" | "worker_shutdown_timeout" | "pid"
>;

export const mainDirectives = {
  log: {
    context: "main",
    type: logTarget,
    default: "stderr info",
    doc:
      "Where the structured log goes and from which level on: a file, `stderr`, `stdout` or `off`, then the level.",
    source: "Postern",
  },
  worker_processes: {
    context: "main",
    type: processCount,
    default: "auto",
    doc: "Number of workers that share the connections; `auto` is one for each core of the machine.",
    source: "nginx",
    note: "They are threads of one process, not processes. In nginx the default is 1.",
  },
  worker_shutdown_timeout: {
    context: "main",
    type: orOff(time()),
    default: "off",
    doc: "How long sessions may go on when the process is to end; what is left then is cut.",
    source: "nginx",
    note: "`off` is 10s after SIGTERM and SIGINT, and no limit after SIGQUIT. A reload never cuts a session.",
  },
  pid: {
    context: "main",
    type: orOff(fileName),
    default: "off",
    doc:
      "File for the id of the process; `postern reload` finds the process by it, through a socket beside it.",
    source: "nginx",
    note: "In nginx there is always one.",
  },
} as const satisfies DirectiveTable<ProcessSettings>;

/** Directives that leave no setting of their own: they are part of other settings once the file is read. */
export interface FoldedSettings {
  readonly ssl: boolean;
  readonly protocol: "smtp";
}

type CoreSettings =
  & Pick<
    ServerSettings,
    | "server_name"
    | "compat"
    | "error_log"
    | "access_log"
    | "timeout"
    | "session_timeout"
    | "max_errors"
    | "resolver"
    | "resolver_timeout"
    | "set_real_ip_from"
  >
  & FoldedSettings
  & { readonly listen: readonly ListenEntry[] };

export const coreDirectives = {
  listen: {
    context: "server",
    type: listenEntries,
    default: null,
    absent: "required",
    doc:
      "Addresses to listen on, each with its parameters: `ssl`, `proxy_protocol`, `backlog=N`, `ipv6only=on|off`, " +
      "`reuseport`.",
    source: "nginx",
    note:
      "A name is refused, and so is an address without a port. `bind` changes nothing. With `reuseport` another " +
      "Postern may take over (see above); workers share a port without it. `[::]:PORT` takes IPv4 too unless another listener has `0.0.0.0:PORT`.",
  },
  ssl: {
    context: "server",
    type: flag,
    default: "off",
    doc: "Implicit TLS on every listener of the server, like the parameter `ssl` of each.",
    source: "nginx",
    note: "nginx dropped this directive in 1.25.1.",
  },
  protocol: {
    context: "server",
    type: oneOf(["smtp"]),
    default: "smtp",
    doc: "The protocol of the server, of which there is one.",
    source: "nginx",
    note: "nginx guesses it from the port, and has `imap` and `pop3` too.",
  },
  server_name: {
    context: "both",
    type: hostName,
    default: null,
    absent: "the host name",
    doc: "Name in the greeting, in replies, in CRAM-MD5 challenges and in the EHLO to mail servers.",
    source: "nginx",
  },
  compat: {
    context: "both",
    type: oneOf(["off", "nginx"]),
    default: "off",
    doc: "Brings nginx's behaviour back where Postern's differs, as far as the table of differences says.",
    source: "Postern",
  },
  error_log: {
    context: "both",
    type: listOf(errorLogTarget, { expected: errorLogTarget.expected, words: false }),
    default: [],
    doc:
      "Logs in nginx's line format, with nginx's levels and messages, besides `log`: each a file, `stderr` " +
      "or `stdout`, then the level, which is `error` when none is given.",
    source: "nginx",
    note:
      "Several ones are a list. `syslog:` and `memory:` are refused, and without the directive there is none.",
  },
  access_log: {
    context: "both",
    type: accessLogTargets,
    default: null,
    absent: "where `log` goes",
    doc: "Where a line for every session and every message goes: each a file, `stderr` or `stdout`, then " +
      "`format=json` (the default) or `format=text`; or `off`.",
    source: "Postern",
    note:
      "The name is from nginx's other modules. Several ones are a list. Without the directive there is none " +
      "when `log` is `off` or has a level above `info`.",
  },
  timeout: {
    context: "both",
    type: time(),
    default: "60s",
    doc: "How long a client may be silent before the relay begins; each command starts it again.",
    source: "nginx",
    note: "In nginx it is the time for the whole session before the relay.",
  },
  session_timeout: {
    context: "both",
    type: time(),
    default: "10m",
    doc: "How long a session may last before the relay begins.",
    source: "Postern",
  },
  max_errors: {
    context: "both",
    type: integer({ least: 0, most: 1_000_000 }),
    default: "5",
    doc: "Number of protocol errors after which the connection is closed.",
    source: "nginx",
    note: "0 is taken for 1, as in nginx. The guard of the relay counts unknown commands anew.",
  },
  resolver: {
    context: "both",
    type: orOff(resolverTarget),
    default: "off",
    doc: "Name servers that are asked for the client's host name.",
    source: "nginx",
    note: "Name servers are given by address.",
  },
  resolver_timeout: {
    context: "both",
    type: time(),
    default: "30s",
    doc: "Time for one look-up.",
    source: "nginx",
  },
  set_real_ip_from: {
    context: "both",
    type: listOf(addressRange, { expected: addressRange.expected, words: true }),
    default: [],
    doc: "Peers whose PROXY protocol header is believed: addresses, networks, or `unix:`.",
    source: "nginx",
    note: "A PROXY header from anyone else is refused.",
  },
} as const satisfies DirectiveTable<CoreSettings>;
