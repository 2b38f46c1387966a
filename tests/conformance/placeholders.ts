/**
 * `${...}` in the texts of a dialogue.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Values by name; grows while a dialogue runs. */
export type Variables = Map<string, string>;

/**
 * Replaces every `${...}` of `text`:
 * `${name}` by the variable, `${b64:text}` by base64 (`\0` and `\xNN` stand for octets), `${decoded:name}` by the
 * octets behind a base64 variable, `${repeat:3:ab}` by `ababab`.
 * @throws {TypeError} on a name that is not known.
 */
export function expand(text: string, variables: Variables): string {
  if (!text.includes("${")) return text;
  return text.replace(/\$\{([^}]*)\}/g, (_, inner: string) => value(inner, variables));
}

function value(inner: string, variables: Variables): string {
  const [word = "", ...rest] = inner.split(":");
  const argument = rest.join(":");
  switch (word) {
    case "b64":
      return Buffer.from(unescape(argument), "latin1").toString("base64");
    case "decoded":
      return Buffer.from(variable(argument, variables), "base64").toString("latin1");
    case "repeat":
      return unescape(rest.slice(1).join(":")).repeat(Number(rest[0]));
    default:
      return variable(inner, variables);
  }
}

function variable(name: string, variables: Variables): string {
  const found = variables.get(name);
  if (found === undefined) {
    throw new TypeError(`no placeholder "${name}"; known: ${[...variables.keys()].join(", ")}`);
  }
  return found;
}

function unescape(text: string): string {
  return text.replace(
    /\\(0|x[0-9a-fA-F]{2})/g,
    (_, code: string) => String.fromCharCode(code === "0" ? 0 : Number.parseInt(code.slice(1), 16)),
  );
}
