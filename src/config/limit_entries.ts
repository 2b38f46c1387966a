/** Entries of the directives that limit clients: words, then parameters `name=value`, as nginx writes them. */
import { addressRange, splitParameter } from "./addresses.ts";
import type { AccessRule, ConnLimit, LimitKey, LoginLimit, RateLimit } from "./settings.ts";
import { time } from "./simple_types.ts";
import { formatTime } from "./units.ts";
import { listOf, type Reading, Refusal, scalar, type ScalarType, type ValueType } from "./value_type.ts";

const MOST = 1_000_000_000;

/** A list of entries, or `off` for none, which a server needs that inherits some. */
export function entriesOf<T>(entry: ScalarType<T>): ValueType<readonly T[]> {
  const list = listOf(entry, { expected: `${entry.expected}, or a list of such`, words: false });
  return {
    ...list,
    expected: `${list.expected}, or "off"`,
    schema: { anyOf: [list.schema, { enum: ["off", false] }] },
    read(node, reading) {
      const off = node.kind === "scalar" && ["off", "false"].includes(node.text.toLowerCase());
      return off ? [] : list.read(node, reading);
    },
  };
}

/** `allow ADDRESS|NETWORK|unix:|all` or `deny ...`. */
export const accessRule: ScalarType<AccessRule> = scalar({
  expected: '"allow" or "deny", then an address, a network, "unix:" or "all"',
  readText(text, reading) {
    const [action, where, ...rest] = wordsOf(text);
    if (action !== "allow" && action !== "deny" || where === undefined || rest.length > 0) {
      return new Refusal();
    }
    if (where === "all") return { action, range: "all" };
    const range = addressRange.readText(where, reading);
    return range instanceof Refusal ? range : { action, range };
  },
  print: ({ action, range }) => `${action} ${range === "all" ? range : addressRange.print(range)}`,
});

/** `client|user|total NUMBER [zone=NAME]`. */
export const connLimit: ScalarType<ConnLimit> = scalar({
  expected: '"client", "user" or "total", then a number such as "client 20", then zone=NAME',
  readText(text, reading) {
    const entry = readEntry(text, { zone: zoneName }, reading);
    if (entry === null) return new Refusal();
    const [by, most, ...rest] = entry.words;
    const number = countOf(most ?? "", 1);
    if (!isLimitKey(by) || number === null || rest.length > 0) return new Refusal();
    return { by, most: number, zone: entry.values.zone ?? "" };
  },
  print: ({ by, most, zone }) => `${by} ${most}${zoneSuffix(zone)}`,
});

const RATE = /^(\d{1,9})r\/([smhd])$/;

/** `connections|messages|recipients client|user|total rate=Nr/s [burst=N] [zone=NAME]`. */
export const rateLimit: ScalarType<RateLimit> = scalar<RateLimit>({
  expected:
    '"connections", "messages" or "recipients", then "client", "user" or "total", then a rate in r/s, ' +
    'r/m, r/h or r/d such as "rate=30r/m", then burst=NUMBER, zone=NAME',
  readText(text, reading) {
    const entry = readEntry(text, { rate: rateText, burst: burstCount, zone: zoneName }, reading);
    if (entry === null) return new Refusal();
    const [what, by, ...rest] = entry.words;
    const rate = entry.values.rate ?? (RATE.test(rest[0] ?? "") ? rest.shift() : undefined);
    if (!isCounted(what) || !isLimitKey(by) || rate === undefined || rest.length > 0) return new Refusal();
    const [, count, per] = RATE.exec(rate)!;
    if (Number(count) === 0) return new Refusal();
    return {
      what,
      by,
      count: Number(count),
      per: per as RateLimit["per"],
      burst: entry.values.burst ?? 0,
      zone: entry.values.zone ?? "",
    };
  },
  print({ what, by, count, per, burst, zone }) {
    const suffix = burst === 0 ? "" : ` burst=${burst}`;
    return `${what} ${by} rate=${count}r/${per}${suffix}${zoneSuffix(zone)}`;
  },
});

const LOGIN_DEFAULTS = { forget: 300_000, ban_time: 900_000, ban_max: 86_400_000 } as const;
const STAGES = ["delay", "refuse", "ban"] as const;
const TIMES = ["forget", "ban_time", "ban_max"] as const;

/** `client|user [delay=N] [refuse=N] [ban=N] [forget=TIME] [ban_time=TIME] [ban_max=TIME] [zone=NAME]`. */
export const loginLimit: ScalarType<LoginLimit> = scalar<LoginLimit>({
  expected: '"client" or "user", then one or more of delay=N, refuse=N, ban=N in rising order, then ' +
    "forget=TIME, ban_time=TIME, ban_max=TIME, zone=NAME",
  readText(text, reading) {
    const parameters = {
      delay: stageCount,
      refuse: stageCount,
      ban: stageCount,
      forget: time(),
      ban_time: time(),
      ban_max: time(),
      zone: zoneName,
    };
    const entry = readEntry(text, parameters, reading);
    if (entry === null) return new Refusal();
    const [by, ...rest] = entry.words;
    if ((by !== "client" && by !== "user") || rest.length > 0) return new Refusal();
    const { delay = null, refuse = null, ban = null, zone = "" } = entry.values;
    const stages = [delay, refuse, ban].filter((stage) => stage !== null);
    const rising = stages.every((stage, at) => at === 0 || stage > stages[at - 1]!);
    const limit: LoginLimit = { ...LOGIN_DEFAULTS, ...entry.values, by, delay, refuse, ban, zone };
    return stages.length === 0 || !rising || limit.ban_max < limit.ban_time ? new Refusal() : limit;
  },
  print(limit) {
    const stages = STAGES.filter((stage) => limit[stage] !== null).map((stage) =>
      ` ${stage}=${limit[stage]}`
    );
    const times = TIMES.filter((name) => limit[name] !== LOGIN_DEFAULTS[name]).map((name) =>
      ` ${name}=${formatTime(limit[name])}`
    );
    return `${limit.by}${stages.join("")}${times.join("")}${zoneSuffix(limit.zone)}`;
  },
});

type Parameters = { readonly [name: string]: Pick<ScalarType<unknown>, "readText"> };
type Values<P extends Parameters> = {
  [K in keyof P]?: Exclude<ReturnType<P[K]["readText"]>, Refusal>;
};

/** Words in front, each parameter once behind them; null when it is otherwise. */
function readEntry<P extends Parameters>(
  text: string,
  parameters: P,
  reading: Reading,
): { readonly words: string[]; readonly values: Values<P> } | null {
  const words: string[] = [];
  const values: Record<string, unknown> = {};
  for (const word of wordsOf(text)) {
    const [name, given] = splitParameter(word);
    if (given === null) {
      words.push(word);
      continue;
    }
    if (!Object.hasOwn(parameters, name) || Object.hasOwn(values, name)) return null;
    values[name] = parameters[name]!.readText(given, reading);
    if (values[name] instanceof Refusal) return null;
  }
  return { words, values: values as Values<P> };
}

const zoneName = parameter((text) => /^[A-Za-z0-9_.-]{1,64}$/.test(text) ? text : null);
const rateText = parameter((text) => RATE.test(text) ? text : null);
const burstCount = parameter((text) => countOf(text, 0));
const stageCount = parameter((text) => countOf(text, 1));

function parameter<T>(read: (text: string) => T | null): { readText(text: string): T | Refusal } {
  return { readText: (text) => read(text) ?? new Refusal() };
}

function countOf(text: string, least: number): number | null {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  return value >= least && value <= MOST ? value : null;
}

function isLimitKey(word: string | undefined): word is LimitKey {
  return word === "client" || word === "user" || word === "total";
}

function isCounted(word: string | undefined): word is RateLimit["what"] {
  return word === "connections" || word === "messages" || word === "recipients";
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function zoneSuffix(zone: string): string {
  return zone === "" ? "" : ` zone=${zone}`;
}
