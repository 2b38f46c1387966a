/**
 * Kinds of values a directive may have. A kind reads source nodes, writes values back, and describes itself to
 * people and to JSON Schema: from these come the parser, the printer and the documentation.
 *
 * @module
 */
import { type Place, type ProblemCode, quoteFound } from "./problem.ts";
import type { ScalarNode, SourceNode } from "./yaml_source.ts";

/** What reading a value may need from around it. */
export interface Reading {
  /** Reports a problem at a place. */
  problem(place: Place, code: ProblemCode, message: string): void;
  /** A file name as it can be opened: relative ones start at the directory of the configuration file. */
  filePath(name: string): string;
  /** Whether a `$` is a `$`, whatever follows it, as nginx has it (`compat: nginx`). Default false. */
  readonly literalVariables?: boolean;
}

/** What printing gives to the YAML writer. */
export type Printable = string | readonly Printable[] | { readonly [key: string]: Printable };

/** A JSON Schema, or a part of one. */
export type JsonSchema = { readonly [key: string]: unknown };

/** One kind of value. */
export interface ValueType<T> {
  /** Completes the sentence "expected ...". */
  readonly expected: string;
  /** Reads a node; undefined after a problem was reported. */
  read(node: SourceNode, reading: Reading): T | undefined;
  /** The inverse of `read`. */
  print(value: T): Printable;
  readonly schema: JsonSchema;
}

/** A value made of one text. */
export interface ScalarType<T> extends ValueType<T> {
  readText(text: string, reading: Reading): T | Refusal;
  print(value: T): string;
}

/** Says why a text is no value; an empty reason takes the standard words "expected ..., found ...". */
export class Refusal {
  readonly reason: string;
  readonly code: ProblemCode;
  constructor(reason = "", code: ProblemCode = "invalid_value") {
    this.reason = reason;
    this.code = code;
  }
}

interface ScalarOptions<T> {
  readonly expected: string;
  readonly readText: (text: string, reading: Reading) => T | Refusal;
  readonly print: (value: T) => string;
  readonly schema?: JsonSchema;
  /** Whether the text may hold a secret, which no message shows. */
  readonly secret?: boolean;
}

/** Builds a kind of value from how its text is read. */
export function scalar<T>(options: ScalarOptions<T>): ScalarType<T> {
  const { expected, readText, print } = options;
  return {
    expected,
    readText,
    print,
    schema: options.schema ?? { type: "string" },
    read(node, reading) {
      if (node.kind !== "scalar") return reportMismatch(node, expected, reading);
      const value = readText(node.text, reading);
      if (!(value instanceof Refusal)) return value;
      const found = options.secret ? "" : `, found ${quoteFound(node.text)}`;
      reading.problem(node, value.code, value.reason === "" ? `expected ${expected}${found}` : value.reason);
      return undefined;
    },
  };
}

/** Reports a node of the wrong shape. */
export function reportMismatch(node: SourceNode, expected: string, reading: Reading): undefined {
  const found = node.kind === "scalar"
    ? quoteFound(node.text)
    : node.kind === "list" && node.items.length === 0
    ? "an empty list"
    : `a ${node.kind}`;
  reading.problem(node, "invalid_value", `expected ${expected}, found ${found}`);
  return undefined;
}

interface ListOptions {
  readonly expected: string;
  /** Whether one text is split at blanks, as nginx splits its arguments: `smtp_auth: login plain`. */
  readonly words: boolean;
  readonly least?: number;
}

/** A list of scalars of one kind; a single text stands for a list. */
export function listOf<T>(item: ScalarType<T>, options: ListOptions): ValueType<readonly T[]> {
  const { expected, words, least = 0 } = options;
  return {
    expected,
    schema: { oneOf: [{ type: "array", items: item.schema, minItems: least }, { type: "string" }] },
    print: (values) => values.map((value) => item.print(value)),
    read(node, reading) {
      const nodes = listItems(node, words, expected, reading);
      if (nodes === null) return undefined;
      if (nodes.length < least) return reportMismatch(node, expected, reading);
      const values = nodes.map((each) => item.read(each, reading));
      return values.every((value) => value !== undefined) ? values : undefined;
    },
  };
}

/** One scalar, or a list of at least one; a single one is written without a list. */
export function oneOrSeveral<T>(item: ScalarType<T>): ValueType<readonly T[]> {
  const list = listOf(item, { expected: `${item.expected}, or a list of those`, words: false, least: 1 });
  return {
    ...list,
    print: (values) => values.length === 1 ? item.print(values[0]!) : list.print(values),
  };
}

/** The texts of a list, or of the one text that stands for it; null after a problem was reported. */
export function listItems(
  node: SourceNode,
  words: boolean,
  expected: string,
  reading: Reading,
): readonly SourceNode[] | null {
  if (node.kind === "map") return reportMismatch(node, expected, reading) ?? null;
  const nodes = node.kind === "list" ? node.items : [node];
  return words ? nodes.flatMap(splitWords) : nodes;
}

function splitWords(node: SourceNode): SourceNode[] {
  if (node.kind !== "scalar") return [node];
  const texts = node.text.split(/\s+/).filter((word) => word !== "");
  return texts.map((text): ScalarNode => ({ ...node, text }));
}

/** A kind of value that may also be absent, which is written `off`. */
export function orOff<T>(type: ValueType<T>): ValueType<T | null> {
  const isOff = (node: SourceNode) => node.kind === "scalar" && node.text.toLowerCase() === "off";
  return {
    expected: `${type.expected}, or "off"`,
    schema: { anyOf: [type.schema, { enum: ["off", false] }] },
    print: (value) => value === null ? "off" : type.print(value),
    read: (node, reading) => isOff(node) ? null : type.read(node, reading),
  };
}
