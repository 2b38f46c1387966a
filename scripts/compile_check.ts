/**
 * Reads what `deno compile` has put into an executable.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** One module that has to be there. */
export interface ModuleFile {
  /** Relative to the checkout. */
  readonly path: string;
  readonly text: string;
}

/** The parts of Deno's description of an embedded program that are looked at. */
export interface EmbeddedMetadata {
  readonly entrypoint_key: string;
  /** An empty list allows everything of its kind, null nothing. */
  readonly permissions: Readonly<Record<string, unknown>>;
  readonly unstable_config: { readonly features: readonly string[] };
}

/** What has to be in the executable. */
export interface Expected {
  readonly main: string;
  readonly modules: readonly ModuleFile[];
  /** As flags of the command line: `--allow-net`, `--allow-env=A,B`, `--no-prompt`. */
  readonly permissions: readonly string[];
  readonly unstable: readonly string[];
}

const DESCRIPTION_BEGIN = '{"argv":';
/** Before the description: Deno's mark and the length of what follows, 8 octets little-endian. */
const MARK = "d3n0l4nd";

/**
 * The description of the embedded program.
 * @throws {Error} when there is none, as in an executable that nothing was embedded in.
 */
export function embeddedMetadata(executable: Uint8Array): EmbeddedMetadata {
  const bytes = Buffer.from(executable.buffer, executable.byteOffset, executable.byteLength);
  let at = bytes.lastIndexOf(DESCRIPTION_BEGIN);
  while (at >= 16) {
    if (bytes.toString("latin1", at - 16, at - 8) === MARK) {
      const length = Number(bytes.readBigUInt64LE(at - 8));
      return JSON.parse(bytes.toString("utf8", at, at + length));
    }
    at = bytes.lastIndexOf(DESCRIPTION_BEGIN, at - 1);
  }
  throw new Error("Cannot find an embedded program in the executable");
}

/** A module graph as `deno info --json` prints it. */
export interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly { readonly code?: { readonly specifier: string } }[];
  }[];
}

/**
 * The modules that `entry` loads when it runs; those that only give types are not embedded.
 * @throws {Error} when one cannot be loaded.
 */
export function loadedModules({ modules }: ModuleGraph, entry: string): Set<string> {
  const graph = new Map(modules.map((module) => [module.specifier, module]));
  const loaded = new Set([entry]);
  for (const specifier of loaded) {
    const module = graph.get(specifier);
    if (module?.error !== undefined) throw new Error(`Cannot load ${specifier}: ${module.error}`);
    for (const { code } of module?.dependencies ?? []) {
      if (code !== undefined) loaded.add(code.specifier);
    }
  }
  return loaded;
}

/** What is missing or too much, in words. */
export function problemsOf(executable: Uint8Array, found: EmbeddedMetadata, expected: Expected): string[] {
  const whole = Buffer.from(executable.buffer, executable.byteOffset, executable.byteLength);
  // All of it stands behind the description; before that is the runtime.
  const bytes = whole.subarray(whole.lastIndexOf(`${MARK}${MARK}`));
  const problems = expected.modules
    .filter(({ text }) => !bytes.includes(text))
    .map(({ path }) => `${path} is not embedded with its present text`);
  if (found.entrypoint_key !== expected.main) {
    problems.push(`expected ${expected.main} to be run, found ${found.entrypoint_key}`);
  }
  for (const feature of expected.unstable) {
    if (!found.unstable_config.features.includes(feature)) problems.push(`unstable "${feature}" is not on`);
  }
  return [...problems, ...permissionProblems(found.permissions, expected.permissions)];
}

function permissionProblems(found: EmbeddedMetadata["permissions"], flags: readonly string[]): string[] {
  const wanted = new Map<string, readonly string[]>();
  for (const flag of flags) {
    const [name, list] = flag.slice(2).split("=") as [string, string?];
    wanted.set(name.replaceAll("-", "_"), list?.split(",") ?? []);
  }
  const problems: string[] = [];
  for (const [name, value] of Object.entries(found)) {
    // What Deno allows by default for importing is of no use to a program whose modules are all embedded.
    if (!name.startsWith("allow_") || name === "allow_import") continue;
    const expected = wanted.get(name) ?? null;
    if (JSON.stringify(value) !== JSON.stringify(expected)) {
      problems.push(`${name}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(value)}`);
    }
  }
  if (wanted.has("no_prompt") && found.prompt !== false) problems.push("it would ask for permissions");
  return problems;
}
