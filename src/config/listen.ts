/** The `listen` directive: an address, or a range of ports, and parameters (spec §1.2). */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { isIpHost, parseHostAndPort, parseUnixAddress, refuseName, splitParameter } from "./addresses.ts";
import type { Place } from "./problem.ts";
import type { ListenSettings } from "./settings.ts";
import { flag } from "./simple_types.ts";
import { listItems, type Reading, Refusal, scalar, type ScalarType, type ValueType } from "./value_type.ts";
import type { SocketAddress } from "../ports/transport.ts";

/** nginx's default on Linux. */
const DEFAULT_BACKLOG = 511;

/** One listener as read: what the configuration as a whole must still judge stands beside the settings. */
export interface ListenEntry {
  readonly settings: ListenSettings;
  /** Null when the parameter is not given. */
  readonly ipv6only: boolean | null;
  readonly at: Place;
}

/** Parameters that Postern takes and that change nothing, as their meaning is always so: `bind`. */
const WITHOUT_EFFECT = new Set(["bind"]);

const KERNEL = "the runtime gives no way to set it";
/** Parameters of nginx's `listen` directives that cannot be honoured, and why. */
const REFUSED_PARAMETERS: Readonly<Record<string, string>> = {
  rcvbuf: KERNEL,
  sndbuf: KERNEL,
  so_keepalive: `${KERNEL} per listener`,
  setfib: KERNEL,
  fastopen: KERNEL,
  deferred: KERNEL,
  accept_filter: KERNEL,
  multipath: KERNEL,
  default_server: "a mail server is chosen by its address alone",
  http2: "it belongs to nginx's HTTP servers",
  quic: "it belongs to nginx's HTTP servers",
  udp: "SMTP runs over TCP",
};

const EXPECTED =
  'an address with a port such as "0.0.0.0:25", "*:25", "25", "[::]:25", "127.0.0.1:2500-2503" or "unix:/path"';

interface Parameters {
  ssl: boolean;
  proxyProtocol: boolean;
  backlog: number;
  reuseport: boolean;
  ipv6only: boolean | null;
}

/** One item of `listen`; a range of ports gives several listeners. */
const listenItem: ScalarType<readonly Omit<ListenEntry, "at">[]> = scalar({
  expected: EXPECTED,
  readText(text) {
    const [address = "", ...words] = text.trim().split(/\s+/);
    const addresses = readAddresses(address);
    if (addresses instanceof Refusal) return addresses;
    const parameters: Parameters = {
      ssl: false,
      proxyProtocol: false,
      backlog: DEFAULT_BACKLOG,
      reuseport: false,
      ipv6only: null,
    };
    for (const word of words) {
      const refusal = readParameter(word, parameters);
      if (refusal !== null) return refusal;
    }
    const isIpv6 = addresses.some((each) => each.kind === "tcp" && each.host.includes(":"));
    if (parameters.ipv6only !== null && !isIpv6) return new Refusal('"ipv6only" is for IPv6 addresses only');
    return addresses.map((each) => toEntry(each, parameters));
  },
  print: (entries) => entries.map(formatListen).join(" "),
});

function toEntry(address: SocketAddress, parameters: Parameters): Omit<ListenEntry, "at"> {
  const settings: ListenSettings = {
    address,
    text: formatSocketAddress(address),
    ssl: parameters.ssl,
    proxy_protocol: parameters.proxyProtocol,
    backlog: parameters.backlog,
    reuseport: parameters.reuseport,
  };
  return { settings, ipv6only: parameters.ipv6only };
}

function readAddresses(text: string): readonly SocketAddress[] | Refusal {
  const unix = parseUnixAddress(text);
  if (unix !== null) return unix instanceof Refusal ? unix : [unix];
  const range = /^(.*?)(\d{1,5})-(\d{1,5})$/.exec(text);
  const [first, last] = range === null ? [text, null] : [`${range[1]}${range[2]}`, Number(range[3])];
  const parts = parseHostAndPort(normaliseHost(first));
  if (parts === null) return new Refusal();
  if (!isIpHost(parts.host)) return new Refusal(refuseName(parts.host));
  if (parts.port === null) {
    return new Refusal(`the port is missing: expected ${EXPECTED}, found ${JSON.stringify(text)}`);
  }
  const { host, port: firstPort } = parts;
  const lastPort = last ?? firstPort;
  if (lastPort > 65535 || lastPort < firstPort || (last !== null && firstPort === 0)) {
    return new Refusal(`expected a range of ports from low to high, found ${JSON.stringify(text)}`);
  }
  return Array.from(
    { length: lastPort - firstPort + 1 },
    (_, i) => ({ kind: "tcp", host, port: firstPort + i }),
  );
}

/** `25` and `*:25` are every IPv4 address (spec §1.2). */
function normaliseHost(text: string): string {
  if (/^\d{1,5}$/.test(text)) return `0.0.0.0:${text}`;
  return text === "*" || text.startsWith("*:") ? `0.0.0.0${text.slice(1)}` : text;
}

function readParameter(word: string, parameters: Parameters): Refusal | null {
  const [name, value] = splitParameter(word);
  const reason = Object.hasOwn(REFUSED_PARAMETERS, name) ? REFUSED_PARAMETERS[name] : undefined;
  if (reason !== undefined) {
    return new Refusal(`the parameter "${name}" cannot be honoured: ${reason}`, "unsupported");
  }
  if (name === "backlog") {
    const backlog = /^\d{1,6}$/.test(value ?? "") ? Number(value) : 0;
    if (backlog < 1) return new Refusal(`expected a backlog from 1 to 999999, found ${JSON.stringify(word)}`);
    parameters.backlog = backlog;
    return null;
  }
  if (name === "ipv6only" && value !== null) {
    const on = flag.readText(value, { problem() {}, filePath: (path) => path });
    if (on instanceof Refusal) {
      return new Refusal(`expected ipv6only=on or ipv6only=off, found ${JSON.stringify(word)}`);
    }
    parameters.ipv6only = on;
    return null;
  }
  if (word === "ssl") parameters.ssl = true;
  else if (word === "proxy_protocol") parameters.proxyProtocol = true;
  else if (word === "reuseport") parameters.reuseport = true;
  else if (!WITHOUT_EFFECT.has(word)) {
    return new Refusal(
      `unknown parameter ${
        JSON.stringify(word)
      }: expected "ssl", "proxy_protocol", "backlog=N", "ipv6only=on|off", ` +
        '"reuseport" or "bind" after the address',
    );
  }
  return null;
}

/** Writes a listener as `listen` takes it. */
export function formatListen(entry: Omit<ListenEntry, "at">): string {
  const { text, ssl, proxy_protocol, backlog, reuseport } = entry.settings;
  const words = [text];
  if (ssl) words.push("ssl");
  if (proxy_protocol) words.push("proxy_protocol");
  if (backlog !== DEFAULT_BACKLOG) words.push(`backlog=${backlog}`);
  if (reuseport) words.push("reuseport");
  if (entry.ipv6only !== null) words.push(`ipv6only=${entry.ipv6only ? "on" : "off"}`);
  return words.join(" ");
}

/** The whole directive: one item or a list of them. */
export const listenEntries: ValueType<readonly ListenEntry[]> = {
  expected: EXPECTED,
  schema: {
    oneOf: [
      { type: ["string", "integer"] },
      { type: "array", items: { type: ["string", "integer"] }, minItems: 1 },
    ],
  },
  print: (entries) => entries.map(formatListen),
  read(node, reading: Reading) {
    const items = listItems(node, false, EXPECTED, reading);
    if (items === null) return undefined;
    if (items.length === 0) {
      return void reading.problem(node, "invalid_value", `expected ${EXPECTED}, found an empty list`);
    }
    const entries: ListenEntry[] = [];
    let good = true;
    for (const item of items) {
      const read = listenItem.read(item, reading);
      good &&= read !== undefined;
      for (const entry of read ?? []) entries.push({ ...entry, at: item });
    }
    return good ? entries : undefined;
  },
};
