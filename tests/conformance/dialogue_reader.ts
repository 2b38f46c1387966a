/**
 * Files of `tests/conformance/`, from YAML to values.
 *
 * @module
 */
import { parse } from "yaml";
import type { Dialogue, DialogueFile, Difference, Directives, ListenPlan } from "./dialogue.ts";
import { fail, list, map, type Node, oneOf, readSteps, type Sequences, text, texts } from "./step_reader.ts";

const HERE = new URL(".", import.meta.url);
const NOT_DIALOGUES = ["sequences.yaml", "differences.yaml"];
const KEYS = [
  "name",
  "spec",
  "listen",
  "config",
  "postern_config",
  "names",
  "nginx",
  "difference",
  "steps",
  "expect_postern",
  "expect_compat",
];

/** Reads every dialogue below `tests/conformance/`, files in order of their names. @throws {TypeError} */
export function readDialogueFiles(): DialogueFile[] {
  const sequences = map(readYaml("sequences.yaml"), "sequences.yaml");
  const differences = new Set(readDifferences().map(({ id }) => id));
  const files = directories().flatMap((directory) =>
    names(directory).map((name) => readDialogueFile(`${directory}/${name}`, sequences, differences))
  );
  refuseDoubles(files);
  return files;
}

/** Reads the list of deliberate differences. @throws {TypeError} */
export function readDifferences(): Difference[] {
  return list(readYaml("differences.yaml"), "differences.yaml").map((node, index) => {
    const where = `differences.yaml[${index}]`;
    const fields = map(node, where, ["id", "what", "why", "kept"]);
    return {
      id: text(fields["id"] ?? fail(where, "id"), where),
      what: text(fields["what"] ?? fail(where, "what"), where),
      why: text(fields["why"] ?? fail(where, "why"), where),
      kept: fields["kept"] === undefined
        ? null
        : oneOf(fields["kept"], ["security", "superset", "runtime"] as const, where),
    };
  });
}

function readDialogueFile(
  file: string,
  sequences: Sequences,
  differences: ReadonlySet<string>,
): DialogueFile {
  const fields = map(readYaml(file), file, ["mail", "dialogues"]);
  const dialogues = list(fields["dialogues"] ?? fail(file, "dialogues"), file);
  return {
    file,
    mail: directives(fields["mail"] ?? {}, `${file}: mail`),
    dialogues: dialogues.map((node, index) =>
      readDialogue(node, { file, sequences, differences }, `${file}[${index}]`)
    ),
  };
}

interface Surroundings {
  readonly file: string;
  readonly sequences: Sequences;
  readonly differences: ReadonlySet<string>;
}

function readDialogue(node: Node, { file, sequences, differences }: Surroundings, at: string): Dialogue {
  const fields = map(node, at, KEYS);
  const name = text(fields["name"] ?? fail(at, "a name"), at);
  const where = `${file}: ${name}`;
  const spec = text(fields["spec"] ?? fail(where, "spec"), where);
  if (!/^§\d+\.\d+(\.\d+)?$/.test(spec)) fail(where, `a section such as §2.4, not "${spec}"`);
  const difference = fields["difference"] === undefined ? null : text(fields["difference"], where);
  if (difference !== null && !differences.has(difference)) {
    fail(where, `a listed difference, not "${difference}"`);
  }
  const expectPostern = fields["expect_postern"];
  const expectCompat = fields["expect_compat"];
  if ((difference === null) !== (expectPostern === undefined)) {
    fail(where, "difference and expect_postern together");
  }
  const nginx = fields["nginx"] === undefined ? null : map(fields["nginx"], where, ["since"]);
  return {
    file,
    name,
    spec,
    listen: readListen(fields["listen"] ?? {}, where),
    config: directives(fields["config"] ?? {}, where),
    posternConfig: directives(fields["postern_config"] ?? {}, where),
    names: directives(fields["names"] ?? {}, where),
    nginxSince: nginx === null ? null : text(nginx["since"] ?? fail(where, "since"), where),
    difference,
    steps: readSteps(fields["steps"] ?? fail(where, "steps"), sequences, where),
    expectPostern: expectPostern === undefined ? null : readExpectation(expectPostern, sequences, where),
    expectCompat: expectCompat === undefined ? null : readSteps(expectCompat, sequences, where),
  };
}

function readExpectation(node: Node, sequences: Sequences, where: string): Dialogue["expectPostern"] {
  if (Array.isArray(node)) return readSteps(node, sequences, where);
  const { refused } = map(node, where, ["refused"]);
  return { refused: text(refused ?? fail(where, "refused"), where) };
}

function readListen(node: Node, where: string): ListenPlan {
  const fields = map(node, where, ["address", "ssl", "proxy_protocol"]);
  const flag = (name: string) => oneOf(fields[name] ?? "false", ["true", "false"], where) === "true";
  return {
    address: oneOf(fields["address"] ?? "127.0.0.1", ["127.0.0.1", "::1", "unix"] as const, where),
    ssl: flag("ssl"),
    proxyProtocol: flag("proxy_protocol"),
  };
}

function directives(node: Node, where: string): Directives {
  return Object.fromEntries(
    Object.entries(map(node, where)).map(([name, value]) =>
      [name, typeof value === "string" ? value : texts(value, where)] as const
    ),
  );
}

function refuseDoubles(files: readonly DialogueFile[]): void {
  const seen = new Set<string>();
  for (const { file, dialogues } of files) {
    for (const { name } of dialogues) {
      if (seen.has(name)) fail(file, `a name of its own for "${name}"`);
      seen.add(name);
    }
  }
}

function readYaml(file: string): Node {
  // The failsafe schema leaves every scalar the text that it is: no `on` becomes a boolean, no `220` a number.
  return parse(Deno.readTextFileSync(new URL(file, HERE)), { schema: "failsafe" }) as Node;
}

function directories(): string[] {
  return [...Deno.readDirSync(HERE)].filter((entry) => entry.isDirectory).map(({ name }) => name).sort();
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(new URL(directory, HERE))].map(({ name }) => name)
    .filter((name) => name.endsWith(".yaml") && !NOT_DIALOGUES.includes(name)).sort();
}
