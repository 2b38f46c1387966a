/**
 * Writes what is generated from the definitions of the directives: the table in README.md and the JSON Schema for
 * editors. With `--check` it writes nothing, names what is out of date, and exits with 1 if anything is.
 *
 * @module
 */
import { configSchema } from "../src/config/json_schema.ts";
import { directiveTable } from "../src/config/reference.ts";

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

/** The table, kept from `deno fmt`, which would pad every cell to the widest one. */
function readmeTable(): string {
  return `\n<!-- deno-fmt-ignore-start -->\n\n${directiveTable()}\n<!-- deno-fmt-ignore-end -->\n\n`;
}

/** Paths relative to the checkout, and what each makes of the text that is there; null when it cannot. */
const GENERATED: Readonly<Record<string, (current: string) => string | null>> = {
  "README.md": (current) => replaceBetween(current, TABLE_BEGIN, TABLE_END, readmeTable()),
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
      console.error(`${path}: expected the lines "${TABLE_BEGIN}" and "${TABLE_END}"`);
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
