/**
 * nginx's `listen` directive, as Postern's `listen` text (spec §1.2).
 *
 * @module
 */
import { reasonForValue } from "./nginx_refusal.ts";

/** A `listen` directive, taken apart. */
export interface NginxListen {
  /** As written, with port 0 where nginx takes that for a port that is not there. */
  readonly address: string;
  /** `*` for any IPv4 address; empty for a Unix socket. */
  readonly host: string;
  /** First port of a range; null for a Unix socket. */
  readonly port: number | null;
  readonly parameters: readonly string[];
}

/** The ports on which nginx takes a server for one of its protocols (spec §1.1). */
const PROTOCOL_PORTS: Readonly<Record<number, string>> = {
  25: "smtp",
  465: "smtp",
  587: "smtp",
  143: "imap",
  993: "imap",
  110: "pop3",
  995: "pop3",
};

/** The protocol that nginx takes a server for by the port of its first well-known listener, or null. */
export function protocolByPort(listens: readonly NginxListen[]): string | null {
  for (const { port } of listens) {
    const protocol = port === null ? undefined : PROTOCOL_PORTS[port];
    if (protocol !== undefined) return protocol;
  }
  return null;
}

/** Takes the arguments of `listen` apart. */
export function readListen(args: readonly string[], fail: (problem: string) => never): NginxListen {
  const [address = "", ...parameters] = args;
  const refuse = (problem: string) => fail(`${problem} in "${address}" of the "listen" directive`);
  if (address.startsWith("unix:")) {
    if (address === "unix:") refuse("no path in the unix domain socket");
    return { address, host: "", port: null, parameters };
  }
  const parts = /^(?:(\[[^\]]*\]|[^:]*):)?(\d+)(?:-(\d+))?$/.exec(address);
  if (parts !== null) {
    const [, host = "*", first, last = first] = parts;
    if (host === "") refuse("no host");
    const port = Number(first);
    if (port < 1 || port > 65535 || Number(last) > 65535) refuse("invalid port");
    if (Number(last) < port) refuse("invalid port range");
    return { address, host, port, parameters };
  }
  if (!/^(?:\[[^\]]+\]|[^:[\]]+)$/.test(address)) refuse("invalid port");
  // nginx listens on a port of the kernel's choice then, which Postern spells out.
  return { address: `${address}:0`, host: address, port: 0, parameters };
}

/** Whether a listener takes all IPv4 connections of its port. */
export function isAnyIpv4(listen: NginxListen): boolean {
  return listen.host === "*" || listen.host === "0.0.0.0";
}

/** What becomes of a listener: its text, or null when it cannot be taken over; and why what was not. */
export interface ConvertedListen {
  readonly text: string | null;
  readonly omitted: readonly string[];
}

/**
 * Parameters of nginx's listeners, with those of its forks and of its other modules: what is not among them is a
 * fault. Which of them Postern has, `listen.ts` knows.
 */
const PARAMETERS: ReadonlySet<string> = new Set([
  ..."ssl proxy_protocol bind backlog rcvbuf sndbuf ipv6only so_keepalive multipath".split(" "),
  ..."reuseport fastopen deferred setfib accept_filter default_server".split(" "),
]);

/** Converts one listener; `anyIpv4Ports` are the ports on which another one takes all IPv4 connections. */
export function convertListen(
  listen: NginxListen,
  anyIpv4Ports: ReadonlySet<number>,
  fail: (problem: string) => never,
): ConvertedListen {
  const { address, host, port, parameters } = listen;
  const refused = reasonForValue("listen", address, false);
  if (refused !== null) return { text: null, omitted: [refused] };
  const words = [address];
  const omitted: string[] = [];
  for (const parameter of parameters) {
    checkParameter(parameter, fail);
    if (parameter.startsWith("ipv6only=")) continue;
    const reason = reasonForValue("listen", `${address} ${parameter}`, false);
    if (reason === null) words.push(parameter);
    // "Not so" is what the operating system does unless it is asked.
    else if (parameter !== "so_keepalive=off") omitted.push(reason);
  }
  // Other addresses are of one family anyway.
  if (port !== null && /^\[[0:]+\]$/.test(host)) {
    const both = parameters.some((parameter) => parameter.toLowerCase() === "ipv6only=off");
    if (both) words.push("ipv6only=off");
    else if (!anyIpv4Ports.has(port)) {
      omitted.push("ipv6only=on: the runtime takes IPv4 on this listener too");
    }
  }
  return { text: words.join(" "), omitted };
}

function checkParameter(parameter: string, fail: (problem: string) => never): void {
  const [name = "", value] = parameter.split("=", 2);
  if (!PARAMETERS.has(name)) fail(`invalid parameter "${parameter}"`);
  if (name === "backlog" && !/^0*[1-9]\d*$/.test(value ?? "")) fail(`invalid backlog "${parameter}"`);
  if (name === "ipv6only" && !/^(?:on|off)$/i.test(value ?? "")) {
    fail(`invalid ipv6only flags "${value ?? ""}"`);
  }
}
