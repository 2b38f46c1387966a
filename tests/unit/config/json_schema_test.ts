import assert from "node:assert/strict";
import { directives } from "../../../src/config/definitions.ts";
import { configSchema } from "../../../src/config/json_schema.ts";

type Schema = { properties: Record<string, Schema>; items: Schema; description: string; default: unknown };

Deno.test("configSchema() describes every directive where it may stand, and is plain JSON", () => {
  const schema = configSchema() as unknown as Schema;
  assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema);
  const mail = schema.properties.mail?.properties ?? {};
  const server = mail.servers?.items.properties ?? {};
  for (const [name, { context, doc }] of directives) {
    assert.equal(name in mail, context !== "server", name);
    assert.equal(name in server, context !== "main", name);
    assert.ok((mail[name] ?? server[name])?.description.startsWith(doc), name);
  }
  assert.equal(server.timeout?.default, "60s");
});
