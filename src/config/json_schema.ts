import { type AnyDirective, directives } from "./definitions.ts";
import type { JsonSchema } from "./value_type.ts";

/** A JSON Schema (2020-12) of the configuration file, for editors; `loadConfig` knows more than it can say. */
export function configSchema(): JsonSchema {
  const mail = propertiesOf((context) => context !== "server");
  const server = propertiesOf((context) => context !== "main");
  const servers = {
    type: "array",
    minItems: 1,
    items: { type: "object", properties: server, required: ["listen"], additionalProperties: false },
  };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of Postern",
    type: "object",
    properties: {
      mail: {
        type: "object",
        properties: { ...mail, servers },
        required: ["servers"],
        additionalProperties: false,
      },
    },
    required: ["mail"],
    additionalProperties: false,
  };
}

function propertiesOf(mayStand: (context: AnyDirective["context"]) => boolean): Record<string, JsonSchema> {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, { context, type, doc, note, default: value }] of directives) {
    if (!mayStand(context)) continue;
    const description = note === undefined ? doc : `${doc} ${note}`;
    properties[name] = { ...type.schema, description, ...(value === null ? {} : { default: value }) };
  }
  return properties;
}
