/**
 * Values of nginx's mail directives: checked as nginx checks them, written as Postern's configuration has them.
 * What Postern takes less of than nginx is not known here; `definitions.ts` says that.
 *
 * @module
 */
import { fullName } from "./nginx_include.ts";
import { parseSize, parseTime } from "./units.ts";

/** Where a value stands. */
export interface ValuePlace {
  readonly name: string;
  /** What file names are relative to. */
  readonly directory: string;
  /** nginx's prefix, with which the names of logs begin instead. */
  readonly prefix: string;
  /** Ends the conversion, as nginx would not start. */
  readonly fail: (problem: string) => never;
}

/** What a directive's arguments mean. */
export interface Meant {
  /** Values of the key of the same name. */
  readonly values: readonly string[];
  /** Another key without which Postern would not do the same, or null. */
  readonly besides: { readonly key: string; readonly value: string; readonly why: string } | null;
  /** Why Postern has no way to write this, or null. */
  readonly refused: string | null;
}

/** Reads the arguments of a directive. */
export type Meaning = (args: readonly string[], place: ValuePlace) => Meant;

function meant(...values: string[]): Meant {
  return { values, besides: null, refused: null };
}

/** Each argument is a value, and nothing is wrong with any. */
export const strings: Meaning = (args) => meant(...args);

/** The arguments are one value. */
export const phrase: Meaning = (args) => meant(args.join(" "));

/** `auth_http_header NAME VALUE`, which Postern separates at the first blank. */
export const header: Meaning = ([name = "", value = ""]) =>
  /^\S+$/.test(name)
    ? meant(`${name} ${value}`)
    : { ...meant(), refused: `expected a header name, found ${JSON.stringify(name)}` };

export const flag: Meaning = ([value = ""], { name, fail }) => {
  const lower = value.toLowerCase();
  if (lower === "on" || lower === "off") return meant(lower);
  return fail(`invalid value "${value}" in "${name}" directive, it must be "on" or "off"`);
};

export const number: Meaning = ([value = ""], { name, fail }) =>
  /^\d+$/.test(value) ? meant(value) : fail(`"${name}" directive invalid number`);

/** `max_errors 0` ends a session at the first error, as 1 does. */
export const maxErrors: Meaning = (args, place) => {
  const read = number(args, place);
  return Number(read.values[0]) === 0 ? meant("1") : read;
};

export const time: Meaning = ([value = ""], { name, fail }) =>
  parseTime(value) === null ? fail(`"${name}" directive invalid value`) : meant(value.replaceAll(" ", ""));

/** nginx's `timeout` is also the time that it gives a mail server to connect. */
export const timeout: Meaning = (args, place) => {
  const { values } = time(args, place);
  const why = "nginx's timeout holds for the connection to the mail server as well.";
  return { values, besides: { key: "proxy_connect_timeout", value: values[0] ?? "", why }, refused: null };
};

export const size: Meaning = ([value = ""], { name, fail }) =>
  parseSize(value) === null ? fail(`"${name}" directive invalid value`) : meant(value);

/** Some of a few words, in any case; written as they are here. */
export function oneOf(...allowed: string[]): Meaning {
  return (args, { fail }) =>
    meant(
      ...args.map((value) =>
        allowed.find((word) => word.toLowerCase() === value.toLowerCase()) ?? fail(`invalid value "${value}"`)
      ),
    );
}

/** The name of a file, made absolute: in YAML it would be relative to the YAML file. */
export const fileName: Meaning = ([value = ""], { directory }) =>
  meant(/^(?:data|engine|store):/.test(value) ? value : fullName(value, directory));

const LOG_LEVELS = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];

/** `error_log TARGET [level]`; `debug_mail` and its like narrow nginx's debug log. */
export const errorLog: Meaning = ([target = "", level], { prefix, fail }) => {
  const narrowed = level?.startsWith("debug_") ? "debug" : level;
  if (narrowed !== undefined && !LOG_LEVELS.includes(narrowed)) return fail(`invalid log level "${level}"`);
  const isFile = target !== "stderr" && !/^(?:syslog|memory):/.test(target);
  const name = isFile ? fullName(target, prefix) : target;
  return meant(narrowed === undefined ? name : `${name} ${narrowed}`);
};

/** nginx sends XCLIENT without a look at what the mail server announces, and ADDR, LOGIN and NAME alone. */
export const xclient: Meaning = (args, place) => {
  const read = flag(args, place);
  return read.values[0] === "on" ? meant("nginx") : read;
};

export const proxySmtpAuth: Meaning = (args, place) => {
  const { values } = flag(args, place);
  if (values[0] !== "on") return meant(...values);
  const why = "nginx sends the password to the mail server in clear; without this Postern would not.";
  return { values, besides: { key: "proxy_smtp_auth_plaintext", value: "on", why }, refused: null };
};
