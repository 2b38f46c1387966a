/**
 * Writes what is generated: from the definitions of the directives their table in README.md and the JSON Schema for
 * editors, from the list of differences that the conformance dialogues name the table of them, and from the lists of
 * endings and of metrics theirs. With `--check` it writes nothing, names what is out of date, and exits with 1 if anything is.
 *
 * @module
 */
import { parse } from "@std/yaml";
import { configSchema } from "../src/config/json_schema.ts";
import { directiveTable } from "../src/config/reference.ts";
import { endingTable } from "../src/telemetry/endings.ts";
import { metricsTable } from "./metrics_table.ts";

/** The lines of README.md between which the table stands. */
export const TABLE_BEGIN = "<!-- directives: begin, written by `deno task generate` -->";
export const TABLE_END = "<!-- directives: end -->";

/** The text with `content` between its lines `begin` and `end`, or null when it lacks one of them. */
export function replaceBetween(text: string, begin: string, end: string, content: string): string | null {
  const from = text.indexOf(`${begin}\n`);
  const to = text.indexOf(`${end}\n`, from);
  if (from < 0 || to < 0) return null;
  return text.slice(0, from + begin.length + 1) + content + text.slice(to);
}

/** The same for the table of differences. */
export const DIFFERENCES_BEGIN = "<!-- differences: begin, written by `deno task generate` -->";
export const DIFFERENCES_END = "<!-- differences: end -->";

/** The same for the endings of sessions. */
export const ENDINGS_BEGIN = "<!-- endings: begin, written by `deno task generate` -->";
export const ENDINGS_END = "<!-- endings: end -->";

/** The same for the metrics. */
export const METRICS_BEGIN = "<!-- metrics: begin, written by `deno task generate` -->";
export const METRICS_END = "<!-- metrics: end -->";

interface Difference {
  readonly what: string;
  readonly why: string;
  /** Why `compat: nginx` keeps Postern's way; absent where it brings nginx's back. */
  readonly kept?: "security" | "superset" | "runtime";
}

const KEPT: Readonly<Record<NonNullable<Difference["kept"]>, string>> = {
  security: "stays, for security",
  superset: "stays, nobody can depend on it",
  runtime: "stays, the runtime's",
};

/** The differences in Markdown. */
export function differenceTable(list: readonly Difference[]): string {
  const rows = list.map(({ what, why, kept }) =>
    `| ${what} | ${why} | ${kept === undefined ? "nginx's way" : KEPT[kept]} |`
  );
  return ["| What differs | Why | With `compat: nginx` |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

function readDifferences(): readonly Difference[] {
  const file = new URL("../tests/conformance/differences.yaml", import.meta.url);
  return parse(Deno.readTextFileSync(file)) as readonly Difference[];
}

/** A table, kept from `deno fmt`, which would pad every cell to the widest one. */
function unformatted(table: string): string {
  return `\n<!-- deno-fmt-ignore-start -->\n\n${table}\n<!-- deno-fmt-ignore-end -->\n\n`;
}

function withTables(readme: string): string | null {
  const tables: readonly (readonly [begin: string, end: string, table: string])[] = [
    [TABLE_BEGIN, TABLE_END, directiveTable()],
    [DIFFERENCES_BEGIN, DIFFERENCES_END, differenceTable(readDifferences())],
    [ENDINGS_BEGIN, ENDINGS_END, endingTable()],
    [METRICS_BEGIN, METRICS_END, metricsTable()],
  ];
  return tables.reduce<string | null>(
    (text, [begin, end, table]) =>
      text === null ? null : replaceBetween(text, begin, end, unformatted(table)),
    readme,
  );
}

/** Paths relative to the checkout, and what each makes of the text that is there; null when it cannot. */
const GENERATED: Readonly<Record<string, (current: string) => string | null>> = {
  "README.md": withTables,
  "scripts/postern.schema.json": () => JSON.stringify(configSchema(), null, 2) + "\n",
};

async function read(file: URL): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

if (import.meta.main) {
  const checkOnly = Deno.args.includes("--check");
  let faults = 0;
  for (const [path, make] of Object.entries(GENERATED)) {
    const file = new URL(`../${path}`, import.meta.url);
    const current = await read(file);
    const wanted = make(current);
    if (wanted === current) continue;
    if (wanted === null) {
      faults++;
      console.error(`${path}: expected the lines around its tables, such as "${TABLE_BEGIN}"`);
    } else if (checkOnly) {
      faults++;
      console.error(`${path}: out of date, run "deno task generate"`);
    } else {
      await Deno.writeTextFile(file, wanted);
      console.error(`${path}: written`);
    }
  }
  if (faults > 0) Deno.exit(1);
}
