/** Kinds of values that name a place on the network. */
import { bracketed, formatSocketAddress } from "../bytes/socket_address.ts";
import { formatIp, parseCidr, parseIp } from "../bytes/ip_address.ts";
import type { SocketAddress } from "../ports/transport.ts";
import type { AddressRange, ResolverTarget } from "./settings.ts";
import { formatTime } from "./units.ts";
import { flag, time } from "./simple_types.ts";
import { listItems, Refusal, scalar, type ScalarType, type ValueType } from "./value_type.ts";

/** Longest path of a Unix socket: sun_path has 108 octets with its NUL on Linux. */
const LONGEST_SOCKET_PATH = 107;

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/;

/** A host and a port as they stand in a text; the host has no brackets. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number | null;
}

/**
 * Takes `host:port`, `[v6]:port` or either without a port apart. IP addresses come in their one canonical form;
 * null when this is no host or no port.
 */
export function parseHostAndPort(text: string): HostAndPort | null {
  const match = /^(?:\[([^\]]*)\]|([^:\[\]]*))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && port > 65535) return null;
  if (match[1] !== undefined) {
    const address = parseIp(match[1]);
    return address?.length === 16 ? { host: formatIp(address), port } : null;
  }
  const name = match[2] ?? "";
  if (/^[\d.]+$/.test(name)) return parseIp(name) === null ? null : { host: name, port };
  return HOST_NAME.test(name) ? { host: name, port } : null;
}

/** Whether a host, as {@linkcode parseHostAndPort} gives it, is an address and no name. */
export function isIpHost(host: string): boolean {
  return parseIp(host) !== null;
}

/** Reads `unix:/path`; null when the text does not begin with `unix:`. */
export function parseUnixAddress(text: string): SocketAddress | Refusal | null {
  if (!text.startsWith("unix:")) return null;
  const path = text.slice("unix:".length);
  if (!path.startsWith("/")) {
    return new Refusal(`expected an absolute path after "unix:", found ${JSON.stringify(text)}`);
  }
  if (new TextEncoder().encode(path).length > LONGEST_SOCKET_PATH) {
    return new Refusal(`the path of a Unix socket has at most ${LONGEST_SOCKET_PATH} octets`);
  }
  return path.includes("\0") ? new Refusal() : { kind: "unix", path };
}

/** A mail server: `host:port` or `unix:/path`. */
export const upstreamAddress: ScalarType<SocketAddress> = scalar({
  expected: 'an address such as "10.0.0.5:25", "[::1]:25", "mail.example.com:25" or "unix:/path"',
  readText(text) {
    const unix = parseUnixAddress(text);
    if (unix !== null) return unix;
    const parts = parseHostAndPort(text);
    if (parts === null || parts.port === null || parts.port === 0) return new Refusal();
    return { kind: "tcp", host: parts.host, port: parts.port };
  },
  print: formatSocketAddress,
});

/** An address of this machine to listen on, without parameters: never a name, `*` stands for every IPv4 address. */
export const localAddress: ScalarType<SocketAddress> = scalar({
  expected: 'an address with a port such as "127.0.0.1:9901", "[::1]:9901" or "unix:/path"',
  readText(text) {
    const unix = parseUnixAddress(text);
    if (unix !== null) return unix;
    const parts = parseHostAndPort(text.startsWith("*:") ? `0.0.0.0${text.slice(1)}` : text);
    if (parts === null || parts.port === null) return new Refusal();
    if (!isIpHost(parts.host)) return new Refusal(refuseName(parts.host));
    return { kind: "tcp", host: parts.host, port: parts.port };
  },
  print: formatSocketAddress,
});

/** An IP address, in its one canonical form. */
export const ipAddress: ScalarType<string> = scalar({
  expected: 'an IP address such as "192.0.2.1" or "2001:db8::1"',
  readText(text) {
    const address = parseIp(text.replace(/^\[(.*:.*)\]$/, "$1"));
    return address === null ? new Refusal() : formatIp(address);
  },
  print: (address) => address,
});

/** Why a name cannot stand where a listener is opened. */
export function refuseName(name: string): string {
  const instead = name.toLowerCase() === "localhost" ? ' such as "127.0.0.1" or "[::1]"' : "";
  return `expected an address${instead}, found the name ${
    JSON.stringify(name)
  }: what it resolves to can change at any start`;
}

/** An entry of `set_real_ip_from`. */
export const addressRange: ScalarType<AddressRange> = scalar<AddressRange>({
  expected: 'an address, a network such as "10.0.0.0/8", or "unix:"',
  readText(text) {
    if (text === "unix:") return { kind: "unix" };
    const address = parseIp(text);
    if (address !== null) return { kind: "ip", address, prefix: address.length * 8 };
    const range = parseCidr(text);
    if (range !== null) return { kind: "ip", ...range };
    return HOST_NAME.test(text) && !/^[\d.]+$/.test(text) ? new Refusal(refuseName(text)) : new Refusal();
  },
  print(range) {
    if (range.kind === "unix") return "unix:";
    const address = formatIp(range.address);
    return range.prefix === range.address.length * 8 ? address : `${address}/${range.prefix}`;
  },
});

const RESOLVER_EXPECTED =
  'name servers such as "127.0.0.1" or "[::1]:53", then valid=TIME, ipv4=on|off, ipv6=on|off';

/** `resolver ADDR[:53] ... [valid=TIME] [ipv4=on|off] [ipv6=on|off]`. */
export const resolverTarget: ValueType<ResolverTarget> = {
  expected: RESOLVER_EXPECTED,
  schema: { oneOf: [{ type: "string" }, { type: "array", items: { type: "string" }, minItems: 1 }] },
  print(target) {
    const words = target.servers.map(({ host, port }) => `${bracketed(host)}:${port}`);
    if (target.validMs !== null) words.push(`valid=${formatTime(target.validMs)}`);
    if (!target.ipv4) words.push("ipv4=off");
    if (!target.ipv6) words.push("ipv6=off");
    return words;
  },
  read(node, reading) {
    const items = listItems(node, true, RESOLVER_EXPECTED, reading);
    if (items === null) return undefined;
    const draft = {
      servers: [] as { host: string; port: number }[],
      ipv4: true,
      ipv6: true,
      validMs: null as number | null,
    };
    const word = resolverWord(draft);
    if (!items.map((item) => word.read(item, reading)).every((good) => good !== undefined)) return undefined;
    const fault = draft.servers.length === 0
      ? "no name servers defined"
      : !draft.ipv4 && !draft.ipv6
      ? '"ipv4" and "ipv6" cannot both be "off"'
      : null;
    if (fault === null) return draft;
    reading.problem(node, "invalid_value", fault);
    return undefined;
  },
};

type ResolverDraft = {
  servers: { host: string; port: number }[];
  ipv4: boolean;
  ipv6: boolean;
  validMs: number | null;
};

/** One word of `resolver`, noted in `draft`. */
function resolverWord(draft: ResolverDraft): ScalarType<true> {
  return scalar<true>({
    expected: RESOLVER_EXPECTED,
    print: () => "",
    readText(text, reading) {
      const [name, value] = splitParameter(text);
      if (value === null) return addNameServer(draft, text);
      if (name === "valid") {
        return assign(time().readText(value, reading), (milliseconds) => draft.validMs = milliseconds);
      }
      if (name === "ipv4") return assign(flag.readText(value, reading), (on) => draft.ipv4 = on);
      if (name === "ipv6") return assign(flag.readText(value, reading), (on) => draft.ipv6 = on);
      return new Refusal();
    },
  });
}

function addNameServer(draft: ResolverDraft, text: string): true | Refusal {
  const parts = parseHostAndPort(text);
  if (parts === null || parts.port === 0) return new Refusal();
  if (!isIpHost(parts.host)) return new Refusal(refuseName(parts.host));
  draft.servers.push({ host: parts.host, port: parts.port ?? 53 });
  return true;
}

function assign<T>(value: T | Refusal, set: (value: T) => void): true | Refusal {
  if (value instanceof Refusal) return new Refusal();
  set(value);
  return true;
}

/** `name=value` taken apart; the value is null when there is no `=`. */
export function splitParameter(text: string): [name: string, value: string | null] {
  const equals = text.indexOf("=");
  return equals === -1 ? [text, null] : [text.slice(0, equals), text.slice(equals + 1)];
}
