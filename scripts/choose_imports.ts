/**
 * Chooses the import map for a task: prints the flag to give to `deno run`, `deno test` or `deno check` on
 * stdout, nothing when deno.json's own imports are to be used, and one line on stderr saying which.
 *
 * The packages of `@std` come from the JSR registry where it answers or where they are cached already, else from
 * the npm registry under `npm_imports.json`. The answer is remembered beside this script for an hour.
 * `POSTERN_IMPORTS=jsr` or `POSTERN_IMPORTS=npm` decides instead.
 *
 * @module
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };

/** Which registry `@std` packages come from. */
export type Registry = "jsr" | "npm";

/** The outside world, as the choice needs it. None of these rejects. */
export interface Surroundings {
  /** Value of `POSTERN_IMPORTS`. */
  readonly forced: string | undefined;
  /** The answer of an earlier run, or null. */
  remembered(): Promise<Registry | null>;
  remember(choice: Registry): Promise<void>;
  /** Whether every JSR package is in Deno's cache. */
  cached(): Promise<boolean>;
  /** Whether the JSR registry answers in time. */
  answers(): Promise<boolean>;
}

/** A choice and why it was made. */
export interface Choice {
  readonly registry: Registry;
  readonly reason: string;
}

/** How long the registry may take to answer, milliseconds. */
const PROBE_MS = 3000;
/** How long an answer is remembered, milliseconds. */
const MEMORY_MS = 60 * 60 * 1000;

const MEMORY = new URL("./.imports_choice", import.meta.url);
const NPM_MAP = new URL("./npm_imports.json", import.meta.url);
/** A small document of the registry's API that only the real registry has. */
const PROBE_URL = "https://jsr.io/@std/yaml/meta.json";

/** Chooses from what is known, the cheapest source first. */
export async function chooseImports(world: Surroundings): Promise<Choice> {
  if (world.forced === "jsr" || world.forced === "npm") {
    return { registry: world.forced, reason: "POSTERN_IMPORTS says so" };
  }
  const remembered = await world.remembered();
  if (remembered !== null) return { registry: remembered, reason: "remembered for an hour" };
  const choice = await find(world);
  await world.remember(choice.registry);
  return choice;
}

async function find(world: Surroundings): Promise<Choice> {
  if (await world.cached()) return { registry: "jsr", reason: "its packages are cached" };
  if (await world.answers()) return { registry: "jsr", reason: "it answers" };
  return { registry: "npm", reason: "JSR does not answer and its packages are not cached" };
}

async function remembered(): Promise<Registry | null> {
  try {
    const { mtime } = await Deno.stat(MEMORY);
    const age = mtime === null ? Infinity : Date.now() - mtime.getTime();
    if (age < 0 || age > MEMORY_MS) return null;
    const text = await Deno.readTextFile(MEMORY);
    return text === "jsr" || text === "npm" ? text : null;
  } catch {
    // Not there or not readable: nothing is remembered.
    return null;
  }
}

async function remember(choice: Registry): Promise<void> {
  try {
    await Deno.writeTextFile(MEMORY, choice);
  } catch {
    // A checkout that cannot be written: the next run asks again.
  }
}

/** Loads every JSR package; this script runs with `--cached-only`, so that what is not cached fails at once. */
async function cached(): Promise<boolean> {
  try {
    for (const specifier of Object.values(config.imports)) {
      if (specifier.startsWith("jsr:")) await import(specifier);
    }
    return true;
  } catch {
    // Not cached.
    return false;
  }
}

/** Whether the registry serves the document `url` within `ms` milliseconds. */
export async function registryAnswers(url: string, ms: number): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ms) });
    const body: unknown = JSON.parse(await response.text());
    // A captive portal answers too, with something else.
    return response.ok && typeof body === "object" && body !== null && "versions" in body;
  } catch {
    // Refused, unresolved, late or not JSON: all mean that the registry cannot be used.
    return false;
  }
}

function warnOfUnknown(forced: string | undefined): void {
  if (forced === undefined || forced === "" || forced === "jsr" || forced === "npm") return;
  console.error(`imports: POSTERN_IMPORTS: expected "jsr" or "npm", found "${forced}"; choosing without it`);
}

if (import.meta.main) {
  const forced = Deno.env.get("POSTERN_IMPORTS");
  warnOfUnknown(forced);
  const answers = () => registryAnswers(PROBE_URL, PROBE_MS);
  const { registry, reason } = await chooseImports({ forced, remembered, remember, cached, answers });
  console.error(`imports: @std packages from ${registry === "jsr" ? "JSR" : "npm"} (${reason})`);
  if (registry === "npm") console.log(`--import-map=${relative(Deno.cwd(), fileURLToPath(NPM_MAP))}`);
}
