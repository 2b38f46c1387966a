/**
 * Steps of a dialogue, from YAML nodes to values. Every scalar arrives as text (failsafe schema).
 *
 * @module
 */
import type { CalloutAnswer, Party, Step, TlsStep } from "./dialogue.ts";

/** A YAML node of the failsafe schema. */
export type Node = string | readonly Node[] | { readonly [key: string]: Node };
/** Named steps of `sequences.yaml`. */
export type Sequences = Readonly<Record<string, Node>>;

const ACCEPT = ["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: ${upstream_port}"];

/** Reads the list of steps at `node`; `where` names it in errors. @throws {TypeError} when it is not well-formed. */
export function readSteps(node: Node, sequences: Sequences, where: string): Step[] {
  return list(node, where).flatMap((item, index) => readStep(item, sequences, `${where}[${index}]`));
}

function readStep(node: Node, sequences: Sequences, where: string): Step[] {
  const entries = Object.entries(map(node, where));
  const [key, value] = entries[0] ?? fail(where, "a step");
  if (entries.length > 1) fail(where, "one key per step");
  if (key === "run") {
    const name = text(value, where);
    return readSteps(sequences[name] ?? fail(where, `a sequence, not "${name}"`), sequences, `run ${name}`);
  }
  const read = STEPS[key] ?? fail(where, `a step, not "${key}"`);
  return [read(value, `${where}.${key}`)];
}

const STEPS: Readonly<Record<string, (value: Node, where: string) => Step>> = {
  C: (value, where) => ({ kind: "send", party: "client", segments: [lines(value, where)] }),
  B: (value, where) => ({ kind: "send", party: "upstream", segments: [lines(value, where)] }),
  S: (value, where) => ({ kind: "expect", party: "client", octets: lines(value, where) }),
  P: (value, where) => ({ kind: "expect", party: "upstream", octets: lines(value, where) }),
  C_raw: (value, where) => ({ kind: "send", party: "client", segments: texts(value, where) }),
  B_raw: (value, where) => ({ kind: "send", party: "upstream", segments: texts(value, where) }),
  S_raw: (value, where) => ({ kind: "expect", party: "client", octets: text(value, where) }),
  P_raw: (value, where) => ({ kind: "expect", party: "upstream", octets: text(value, where) }),
  S_match: (value, where) => ({
    kind: "match",
    party: "client",
    pattern: new RegExp(`^(?:${text(value, where)})$`),
  }),
  P_match: (value, where) => ({
    kind: "match",
    party: "upstream",
    pattern: new RegExp(`^(?:${text(value, where)})$`),
  }),
  tls: (value, where) => ({ kind: "tls", tls: readTls(value, where) }),
  callout: readCallout,
  upstream: (value, where) =>
    oneOf(value, ["connect", "none"], where) === "connect"
      ? { kind: "accept" }
      : { kind: "none", service: "upstream" },
  close: (value, where) => ({ kind: "close", party: party(value, where) }),
  half_close: (value, where) => ({ kind: "half_close", party: party(value, where) }),
  reset: (value, where) => ({ kind: "reset", party: party(value, where) }),
  end: (value, where) => ({ kind: "end", party: party(value, where) }),
  pause: (value, where) => ({ kind: "pause", ms: Number(text(value, where)) }),
  differ: (value, where) => ({ kind: "differ", variables: texts(value, where) }),
  took: (value, where) => {
    const fields = map(value, where, ["at_least", "at_most"]);
    return {
      kind: "took",
      atLeastMs: Number(text(fields["at_least"] ?? "0", where)),
      atMostMs: Number(text(fields["at_most"] ?? fail(where, "at_most"), where)),
    };
  },
};

function readTls(value: Node, where: string): TlsStep {
  const fields = value === "start"
    ? {}
    : map(value, where, ["certificate", "alpn", "version", "server_name", "result"]);
  const version = fields["version"];
  return {
    certificate: fields["certificate"] === undefined ? null : text(fields["certificate"], where),
    alpn: texts(fields["alpn"] ?? [], where),
    version: version === undefined ? null : oneOf(version, ["TLSv1.2", "TLSv1.3"] as const, where),
    serverName: text(fields["server_name"] ?? "mx.test", where),
    refused: oneOf(fields["result"] ?? "ok", ["ok", "refused"], where) === "refused",
  };
}

function readCallout(value: Node, where: string): Step {
  if (value === "none") return { kind: "none", service: "callout" };
  const fields = map(value, where, ["request", "has", "lacks", "verbatim", "answer"]);
  return {
    kind: "callout",
    request: fields["request"] === undefined ? null : texts(fields["request"], where),
    has: texts(fields["has"] ?? [], where),
    lacks: texts(fields["lacks"] ?? [], where),
    verbatim: oneOf(fields["verbatim"] ?? "false", ["true", "false"], where) === "true",
    answer: readAnswer(fields["answer"] ?? fail(where, "an answer"), `${where}.answer`),
  };
}

function readAnswer(value: Node, where: string): CalloutAnswer {
  if (value === "close" || value === "reset" || value === "hang") return { kind: value };
  if (typeof value === "string" || Array.isArray(value)) {
    return response("HTTP/1.0 200 OK", texts(value, where), "");
  }
  const fields = map(value, where, ["status", "headers", "body", "raw", "then"]);
  const stayOpen = oneOf(fields["then"] ?? "close", ["close", "hang"], where) === "hang";
  if (fields["raw"] !== undefined) return { kind: "octets", segments: texts(fields["raw"], where), stayOpen };
  const status = text(fields["status"] ?? "HTTP/1.0 200 OK", where);
  return response(status, texts(fields["headers"] ?? [], where), text(fields["body"] ?? "", where));
}

function response(status: string, headers: readonly string[], body: string): CalloutAnswer {
  const all = [status, ...headers.flatMap((line) => line === "accept" ? ACCEPT : [line])];
  return { kind: "octets", segments: [all.join("\r\n") + "\r\n\r\n" + body], stayOpen: false };
}

function party(value: Node, where: string): Party {
  return oneOf(value, ["client", "upstream"] as const, where);
}

function lines(value: Node, where: string): string {
  return texts(value, where).map((line) => line + "\r\n").join("");
}

/** A text, checked to be one. @throws {TypeError} */
export function text(value: Node, where: string): string {
  return typeof value === "string" ? value : fail(where, "a text");
}

/** A text or a list of texts, as a list. @throws {TypeError} */
export function texts(value: Node, where: string): string[] {
  return typeof value === "string" ? [value] : list(value, where).map((item) => text(item, where));
}

/** A list. @throws {TypeError} */
export function list(value: Node, where: string): readonly Node[] {
  return Array.isArray(value) ? value : fail(where, "a list");
}

/** A map, with `allowed` keys only when given. @throws {TypeError} */
export function map(
  value: Node,
  where: string,
  allowed?: readonly string[],
): { readonly [key: string]: Node } {
  if (typeof value === "string" || Array.isArray(value)) fail(where, "a map");
  const fields = value as { readonly [key: string]: Node };
  for (const key of Object.keys(fields)) {
    if (allowed !== undefined && !allowed.includes(key)) {
      fail(where, `one of ${allowed.join(", ")}, not "${key}"`);
    }
  }
  return fields;
}

/** One of some words. @throws {TypeError} */
export function oneOf<Word extends string>(value: Node, words: readonly Word[], where: string): Word {
  return words.find((word) => word === value) ?? fail(where, `one of ${words.join(", ")}`);
}

/** Says what was expected where. @throws {TypeError} always */
export function fail(where: string, expected: string): never {
  throw new TypeError(`${where}: expected ${expected}`);
}
