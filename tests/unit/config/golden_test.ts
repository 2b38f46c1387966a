/**
 * Whole configurations and what becomes of them: `golden/NAME.config` is read as `postern.yaml`, and
 * `golden/NAME.expected` is the effective configuration, or the problems. The files that they name are test
 * certificates. (The names do not end in `.yaml`, so that the formatter leaves them as they are.)
 *
 * @module
 */
import assert from "node:assert/strict";
import { loadConfig } from "../../../src/config/load.ts";
import { printConfig } from "../../../src/config/print.ts";
import { formatProblem, ProblemList } from "../../../src/config/problem.ts";
import type { Config } from "../../../src/config/settings.ts";
import { parseYaml, type SourceNode } from "../../../src/config/yaml_source.ts";
import { testCertificates } from "../../support/certificates.ts";

const golden = new URL("golden/", import.meta.url);

async function outcome(text: string): Promise<string> {
  const { server, otherServer, root } = await testCertificates();
  const files: Readonly<Record<string, string>> = {
    "/etc/postern/fullchain.pem": server.certificate,
    "/etc/postern/privkey.pem": server.key,
    "other.pem": otherServer.certificate,
    "other.key": otherServer.key,
    "ca.pem": root.certificate,
  };
  const result = loadConfig(text, "postern.yaml", {
    readText(path) {
      const found = files[path];
      if (found !== undefined) return found;
      throw Object.assign(new Error(`no ${path}`), { name: "NotFound" });
    },
    hostname: () => "box.example",
  });
  return Array.isArray(result) ? result.map(formatProblem).join("\n") + "\n" : printConfig(result as Config);
}

/** Problems as they are; a configuration without what is the YAML writer's choice, such as quotes. */
function normalForm(text: string): unknown {
  if (!text.startsWith("mail:")) return text.split("\n");
  const node = parseYaml(text, new ProblemList(""));
  assert.ok(node);
  return plain(node);
}

function plain(node: SourceNode): unknown {
  if (node.kind === "scalar") return node.text;
  if (node.kind === "list") return node.items.map(plain);
  return [...node.entries].map(([name, entry]) => [name, plain(entry.node)]);
}

for (const { name } of Deno.readDirSync(golden)) {
  if (!name.endsWith(".config")) continue;
  Deno.test(`the configuration golden/${name} gives what stands beside it`, async () => {
    const expected = await Deno.readTextFile(new URL(name.replace(".config", ".expected"), golden));
    const found = await outcome(await Deno.readTextFile(new URL(name, golden)));
    assert.deepEqual(normalForm(found), normalForm(expected));
  });
}
