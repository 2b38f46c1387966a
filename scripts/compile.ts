/**
 * Writes Postern as one binary: `deno task compile [--target NAME | --target all] [--output FILE]`.
 *
 * Deno fetches the runtime of each target the first time. Where it cannot, this says so, checks what can be checked
 * without it, and exits with 3; `--verify` does the check alone. The check embeds everything into a copy of the Deno
 * that runs now and reads the result: every module of the graph with its text, the modules that workers begin
 * with, the permissions, the unstable interfaces. Such a copy is no Postern, and is thrown away.
 *
 * @module
 */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import {
  embeddedMetadata,
  loadedModules,
  type ModuleFile,
  type ModuleGraph,
  problemsOf,
} from "./compile_check.ts";

const ROOT_URL = new URL("../", import.meta.url);
const ROOT = fileURLToPath(ROOT_URL);
const MAIN = "mod.ts";
/** Workers begin with these, and nothing imports them. */
export const WORKER_MODULES: readonly string[] = ["src/app/worker_main.ts"];

/** Targets by the names that releases have. */
export const TARGETS: ReadonlyMap<string, string> = new Map([
  ["linux-x64", "x86_64-unknown-linux-gnu"],
  ["linux-arm64", "aarch64-unknown-linux-gnu"],
  ["macos-x64", "x86_64-apple-darwin"],
  ["macos-arm64", "aarch64-apple-darwin"],
  ["windows-x64", "x86_64-pc-windows-msvc"],
]);

/** Exit code when the runtime of a target could not be fetched and the check is all that was done. */
const EXIT_NO_RUNTIME = 3;

/** What the binary may do: the same as `deno task start`. */
export const PERMISSIONS: readonly string[] = config.tasks.start.command.split(/\s+/).filter((word) =>
  word.startsWith("--allow") || word.startsWith("--deny") || word === "--no-prompt"
);

/** Flags for V8, as `deno task start` has them. */
const V8_FLAGS: readonly string[] = config.tasks.start.command.split(/\s+/).filter((word) =>
  word.startsWith("--v8-flags=")
);

/**
 * Directories of npm packages that are left out, by package. Deno (2.9.6) reads every file of a package as a script,
 * and overflows its stack over a file of 200,000 numbers.
 */
const LEFT_OUT: ReadonlyMap<string, string> = new Map([["bintrees", "test"]]);

interface Options {
  readonly targets: readonly string[];
  readonly output: string | null;
  readonly verify: boolean;
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    console.error(`compile: ${options}`);
    return 2;
  }
  const importMap = await chosenImportMap();
  const source: Source = { importMap, leftOut: await leftOut(importMap) };
  if (options.verify) return await verify(source);
  const targets = options.targets.length > 0 ? options.targets : [null];
  let missing = false;
  for (const target of targets) {
    const output = options.output ?? (options.targets.length > 0 ? `postern-${target}` : "postern");
    const { code, text } = await compile(source, { target, output, runtime: null });
    if (code === 0) {
      console.log(`compile: wrote ${output}${target?.startsWith("windows") ? ".exe" : ""}`);
    } else if (/denort|Setting up base binary/.test(text)) {
      missing = true;
      console.error(`compile: no binary for ${target ?? "this machine"}: its runtime cannot be fetched here`);
      console.error(text.split("\n").filter((line) => /^error|^\s+\d:/.test(line)).slice(0, 4).join("\n"));
    } else {
      console.error(text);
      return 1;
    }
  }
  if (!missing) return 0;
  const code = await verify(source);
  return code === 0 ? EXIT_NO_RUNTIME : code;
}

function readOptions(args: readonly string[]): Options | string {
  let targets: string[] = [];
  let output: string | null = null;
  let verify = false;
  for (let at = 0; at < args.length; at++) {
    const word = args[at];
    if (word === "--verify") verify = true;
    else if (word === "--output" && args[at + 1] !== undefined) output = args[++at]!;
    else if (word === "--target" && args[at + 1] !== undefined) {
      const name = args[++at]!;
      targets = name === "all" ? [...TARGETS.keys()] : [...targets, name];
    } else return `usage: deno task compile [--target NAME|all] [--output FILE] [--verify], found "${word}"`;
  }
  const unknown = targets.find((name) => !TARGETS.has(name));
  if (unknown !== undefined) {
    return `expected a target of ${[...TARGETS.keys()].join(", ")} or all, found "${unknown}"`;
  }
  if (output !== null && targets.length > 1) return "--output goes with one target";
  return { targets, output, verify };
}

/** The flag for the import map that fits this network. */
async function chosenImportMap(): Promise<string[]> {
  const { stdout } = await run(["task", "-q", "imports"], {});
  const flag = stdout.trim();
  return flag === "" ? [] : [flag];
}

/** What is compiled, the same for all targets. */
interface Source {
  readonly importMap: readonly string[];
  readonly leftOut: readonly string[];
}

interface Compilation {
  /** Null for this machine. */
  readonly target: string | null;
  readonly output: string;
  /** An executable to embed into, or null for the one that Deno fetches. */
  readonly runtime: string | null;
}

async function compile({ importMap, leftOut }: Source, { target, output, runtime }: Compilation) {
  const triple = target === null ? [] : ["--target", TARGETS.get(target)!];
  const include = WORKER_MODULES.flatMap((module) => ["--include", module]);
  const exclude = leftOut.flatMap((directory) => ["--exclude", directory]);
  const args = [
    "compile",
    ...importMap,
    ...PERMISSIONS,
    ...V8_FLAGS,
    ...triple,
    ...include,
    ...exclude,
    "--output",
    output,
    MAIN,
  ];
  const { code, stderr } = await run(args, runtime === null ? {} : { DENORT_BIN: runtime });
  return { code, text: stderr };
}

/** The directories that are left out, once the packages are there. */
async function leftOut(importMap: readonly string[]): Promise<string[]> {
  await run(["cache", "--quiet", ...importMap, MAIN, ...WORKER_MODULES], {});
  const { stdout } = await run(["info", "--json"], {});
  const { npmCache } = JSON.parse(stdout) as { npmCache: string };
  const found: string[] = [];
  for (const registry of await namesIn(npmCache)) {
    for (const [name, directory] of LEFT_OUT) {
      const versions = await namesIn(join(npmCache, registry, name));
      found.push(...versions.map((version) => join(npmCache, registry, name, version, directory)));
    }
  }
  return found;
}

/** Names of the directories in a directory, none where it is not there. */
async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(directory)) if (isDirectory) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}

/** Embeds everything into a copy of Deno and checks what is in it. */
async function verify(source: Source): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "postern-compile-" });
  try {
    const output = join(folder, "postern");
    const { code, text } = await compile(source, { target: null, output, runtime: Deno.execPath() });
    if (code !== 0) {
      console.error(text);
      return 1;
    }
    const binary = await Deno.readFile(output);
    const modules = await moduleFiles(source.importMap);
    const problems = problemsOf(binary, embeddedMetadata(binary), {
      main: MAIN,
      modules,
      permissions: PERMISSIONS,
      unstable: config.unstable,
    });
    for (const problem of problems) console.error(`compile: ${problem}`);
    if (problems.length > 0) return 1;
    console.log(
      `compile: verified without a runtime: ${modules.length} modules embedded, permissions and unstable ` +
        `interfaces as "start" has them; that it runs was not tried`,
    );
    return 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every local module that the program or a worker may load, with its text. */
async function moduleFiles(importMap: readonly string[]): Promise<ModuleFile[]> {
  const found = new Map<string, ModuleFile>();
  for (const entry of [MAIN, ...WORKER_MODULES]) {
    const { code, stdout, stderr } = await run(["info", "--json", ...importMap, entry], {});
    if (code !== 0) throw new Error(`Cannot read the module graph of ${entry}: ${stderr}`);
    const graph: ModuleGraph = JSON.parse(stdout);
    for (const specifier of loadedModules(graph, new URL(entry, ROOT_URL).href)) {
      if (!specifier.startsWith("file:")) continue;
      const file = fileURLToPath(specifier);
      const path = relative(ROOT, file);
      if (!found.has(path)) found.set(path, { path, text: await Deno.readTextFile(file) });
    }
  }
  return [...found.values()];
}

async function run(args: readonly string[], env: Record<string, string>) {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd: ROOT, env, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

if (import.meta.main) Deno.exit(await main(Deno.args));
