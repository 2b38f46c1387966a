/**
 * What Postern does not take of nginx's mail directives, and why: asked of Postern's own definitions.
 *
 * @module
 */
import { directives } from "./definitions.ts";
import { unsupportedDirectives } from "./unsupported.ts";
import type { Reading } from "./value_type.ts";
import type { ScalarNode } from "./yaml_source.ts";

/** Why Postern does not have a directive of nginx at all, or null. */
export function reasonForName(name: string): string | null {
  if (Object.hasOwn(unsupportedDirectives, name)) return unsupportedDirectives[name] ?? null;
  return /^(?:imap|pop3)_/.test(name) ? "Postern speaks SMTP only" : null;
}

/** Why Postern does not take a value, or null; `list` says whether it is one of a list. */
export function reasonForValue(name: string, value: string, list: boolean): string | null {
  const type = directives.get(name)?.type;
  if (type === undefined) throw new TypeError(`"${name}" is neither defined nor unsupported`);
  const problems: string[] = [];
  const reading: Reading = {
    problem: (_place, _code, message) => problems.push(message),
    filePath: (path) => path,
    // A converted configuration says "compat: nginx".
    literalVariables: true,
  };
  const scalar: ScalarNode = { ...NOWHERE, kind: "scalar", text: value };
  type.read(list ? { ...NOWHERE, kind: "list", items: [scalar] } : scalar, reading);
  return problems[0] ?? null;
}

const NOWHERE = { key: "", line: 1, column: 1 };
