/** Kinds of values without structure: flags, choices, numbers, times, sizes, names of files and hosts. */
import { formatSize, formatTime, parseSize, parseTime } from "./units.ts";
import { Refusal, scalar, type ScalarType } from "./value_type.ts";

/** `on` or `off`; YAML's `true` and `false` are taken too. */
export const flag: ScalarType<boolean> = scalar({
  expected: '"on" or "off"',
  readText(text) {
    const word = text.toLowerCase();
    if (word === "on" || word === "true") return true;
    return word === "off" || word === "false" ? false : new Refusal();
  },
  print: (value) => value ? "on" : "off",
  schema: { enum: ["on", "off", true, false] },
});

/** One of some words, in any case as in nginx; `true` and `false` stand for `on` and `off`. */
export function oneOf<const T extends string>(
  words: readonly T[],
  alias: Readonly<Record<string, T>> = {},
): ScalarType<T> {
  const allowed = [...words, ...Object.keys(alias)];
  return scalar<T>({
    expected: `one of ${allowed.map((word) => JSON.stringify(word)).join(", ")}`,
    readText(text) {
      const word = { true: "on", false: "off" }[text.toLowerCase()] ?? text.toLowerCase();
      const other = Object.hasOwn(alias, word) ? alias[word] : undefined;
      return other ?? words.find((known) => known.toLowerCase() === word) ?? new Refusal();
    },
    print: (value) => value,
    schema: {
      enum: [
        ...allowed,
        ...(allowed.includes("on") ? [true] : []),
        ...(allowed.includes("off") ? [false] : []),
      ],
    },
  });
}

/**
 * A directive that Postern reads so that a configuration may state it, with the only value that the runtime can
 * honour.
 */
export function only<T>(type: ScalarType<T>, text: string, why: string): ScalarType<T> {
  const honoured = type.print(valueOf(type, text));
  return scalar<T>({
    expected: JSON.stringify(text),
    readText(found, reading) {
      const value = type.readText(found, reading);
      if (value instanceof Refusal || type.print(value) === honoured) return value;
      return new Refusal(
        `only "${text}" can be honoured, found ${JSON.stringify(found)}: ${why}`,
        "unsupported",
      );
    },
    print: type.print,
    schema: type.schema.enum === undefined
      ? { const: text }
      : { enum: [text, ...(text === "on" ? [true] : [false])] },
  });
}

function valueOf<T>(type: ScalarType<T>, text: string): T {
  const value = type.readText(text, { problem() {}, filePath: (name) => name });
  if (value instanceof Refusal) throw new TypeError(`"${text}" is not ${type.expected}`);
  return value;
}

interface Limits {
  readonly least: number;
  readonly most: number;
}

/** A whole number within limits. */
export function integer({ least, most }: Limits): ScalarType<number> {
  return scalar({
    expected: `a whole number from ${least} to ${most}`,
    readText(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= least && value <= most ? value : new Refusal();
    },
    print: String,
    schema: { type: ["integer", "string"], minimum: least, maximum: most },
  });
}

/** `auto`, or how many. */
export const processCount: ScalarType<number | "auto"> = processes({ least: 1, most: 64 });

function processes(limits: Limits): ScalarType<number | "auto"> {
  const count = integer(limits);
  return scalar<number | "auto">({
    expected: `"auto" or ${count.expected}`,
    readText: (text, reading) => text.toLowerCase() === "auto" ? "auto" : count.readText(text, reading),
    print: String,
    schema: { anyOf: [count.schema, { const: "auto" }] },
  });
}

const YEAR_MS = 365 * 86_400_000;

/** A time in nginx's units, at least `least` milliseconds. */
export function time({ least = 1 }: { readonly least?: number } = {}): ScalarType<number> {
  return scalar({
    expected: 'a time such as "60s" or "5m"',
    readText(text) {
      const value = parseTime(text);
      if (value === null) return new Refusal();
      if (value < least) {
        return new Refusal(`expected a time of at least ${formatTime(least)}, found ${JSON.stringify(text)}`);
      }
      return value <= YEAR_MS
        ? value
        : new Refusal(`expected a time of at most one year, found ${JSON.stringify(text)}`);
    },
    print: formatTime,
    schema: { type: ["string", "integer"], pattern: "^([0-9]+(ms|[yMwdhms])? *)+$", minimum: 0 },
  });
}

/** A size in nginx's units, within limits in octets. */
export function size({ least, most }: Limits): ScalarType<number> {
  return scalar({
    expected: `a size from ${formatSize(least)} to ${formatSize(most)}`,
    readText(text) {
      const value = parseSize(text);
      if (value === null && text !== "") {
        return new Refusal(
          `expected a size in octets, or such as "4k" or "10m", found ${JSON.stringify(text)}`,
        );
      }
      return value !== null && value >= least && value <= most ? value : new Refusal();
    },
    print: formatSize,
    schema: { type: ["string", "integer"], pattern: "^[0-9]+[kKmM]?$", minimum: least, maximum: most },
  });
}

/** The name of a file. */
export const fileName: ScalarType<string> = scalar({
  expected: "a file name",
  readText(text, reading) {
    const scheme = /^(data|engine|store):/.exec(text)?.[1];
    if (scheme !== undefined) {
      return new Refusal(`expected a file name: Postern reads no "${scheme}:" values`, "unsupported");
    }
    return text === "" || text.includes("\0") ? new Refusal() : reading.filePath(text);
  },
  print: (value) => value,
});

/** A name for SMTP or TLS: letters, digits, `.`, `-`, `_`, or an address literal in brackets. */
export const hostName: ScalarType<string> = scalar({
  expected: 'a host name such as "mail.example.com"',
  readText: (text) => /^([A-Za-z0-9._-]{1,255}|\[[0-9A-Za-z.:]{1,64}\])$/.test(text) ? text : new Refusal(),
  print: (value) => value,
});
