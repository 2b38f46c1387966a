/**
 * Checks who imports whom in `src/`: the rooms' directions, the runtime's interfaces in the rooms that may have
 * them, no clock, chance or output in pure rooms, and no cycle between files. Prints `path:line: what` for each
 * violation and exits with 1 when there is one.
 *
 * @module
 */
import { dirname, join, relative } from "node:path/posix";
import { fileURLToPath } from "node:url";

/** One file; `path` is relative to the checkout, such as `src/grammar/reply.ts`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Something that a file may not do. */
export interface Violation {
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

interface RoomRule {
  /** Rooms whose code may be imported. */
  readonly code: readonly string[];
  /** Rooms of which types may be imported besides. */
  readonly types: readonly string[];
  /** Pure rooms have no runtime interface, no package, no clock and no chance. */
  readonly purity: "pure" | "packages" | "runtime";
}

const ROOMS: Readonly<Record<string, RoomRule>> = {
  bytes: { code: [], types: [], purity: "pure" },
  grammar: { code: ["bytes"], types: [], purity: "pure" },
  session: { code: ["grammar", "bytes"], types: ["ports"], purity: "pure" },
  policy: { code: ["grammar", "bytes"], types: ["config", "session", "ports"], purity: "pure" },
  config: { code: ["grammar", "bytes"], types: ["ports"], purity: "packages" },
  ports: { code: [], types: ["grammar"], purity: "pure" },
  io: { code: ["ports", "bytes"], types: ["config"], purity: "runtime" },
  auth: { code: ["ports", "grammar", "bytes"], types: ["config"], purity: "runtime" },
  limits: { code: ["ports"], types: ["config"], purity: "runtime" },
  telemetry: { code: ["ports"], types: ["grammar", "config"], purity: "runtime" },
  driver: { code: ["session", "policy", "grammar", "bytes", "ports"], types: ["config"], purity: "packages" },
};
/** Composes all others, and nobody imports it. */
const COMPOSING_ROOM = "app";

/** Files outside the runtime's rooms that may import the named built-in modules all the same. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // Whether a certificate and its key belong together is a question for OpenSSL, asked of texts, not of files.
  "src/config/certificate_check.ts": ["node:crypto"],
};

const IMPORT =
  /^[ \t]*(?:import|export)\s+([\w$*\s,{}]+?)\s*\bfrom\s*["']([^"'\n]+)["']|^[ \t]*import\s*["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']/gm;
const COMMENT_OR_STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const RUNTIME = /(?<![.\w$])Deno\s*\.\s*\w+/g;
const IMPURE =
  /(?<![.\w$])(?:setTimeout|setInterval|queueMicrotask|fetch|console|Date\.now|Math\.random|performance|crypto)\b(?=\s*[.(])/g;

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** All violations in `files`, in the order of the files. */
export function findViolations(files: readonly SourceFile[]): Violation[] {
  const imports = new Map(files.map((file) => [file.path, importsOf(file.text)]));
  return [
    ...files.flatMap((file) => violationsOf(file, imports.get(file.path) ?? [])),
    ...findCycles(imports),
  ];
}

function importsOf(text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^[ \t]*\/\/[^\n]*/gm, blank);
  return [...code.matchAll(IMPORT)].map((match) => ({
    specifier: match[2] ?? match[3] ?? match[4] ?? "",
    typeOnly: isTypeOnly(match[1] ?? ""),
    line: lineAt(code, match.index),
  }));
}

/** `import type …`, or braces in which every name is marked `type`. */
function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b/.test(clause)) return true;
  const names = /^\s*\{([\s\S]*)\}\s*$/.exec(clause)?.[1];
  if (names === undefined) return false;
  return names.split(",").filter((name) => name.trim() !== "").every((name) => /^\s*type\s/.test(name));
}

function violationsOf(file: SourceFile, imports: readonly Import[]): Violation[] {
  const room = roomOf(file.path);
  if (room === COMPOSING_ROOM) return [];
  const rule = room === null ? undefined : ROOMS[room];
  if (room === null || rule === undefined) {
    return [{
      path: file.path,
      line: 1,
      message: `is in no room of ${[...Object.keys(ROOMS), "app"].join(", ")}`,
    }];
  }
  const found = imports.flatMap((entry) => {
    const message = importFault(file.path, room, rule, entry);
    return message === null ? [] : [{ path: file.path, line: entry.line, message }];
  });
  return [...found, ...ambientFaults(file, room, rule)];
}

function importFault(path: string, room: string, rule: RoomRule, entry: Import): string | null {
  const { specifier } = entry;
  if (specifier.startsWith("node:")) {
    const allowed = rule.purity === "runtime" || (EXCEPTIONS[path] ?? []).includes(specifier);
    return allowed ? null : `${room} may not import ${specifier}`;
  }
  if (!specifier.startsWith(".")) {
    if (/^(npm|jsr|https?|data):/.test(specifier)) return `${specifier}: name packages in deno.json`;
    return rule.purity === "pure" ? `${room} may not import the package ${specifier}` : null;
  }
  const target = roomOf(join(dirname(path), specifier));
  if (target === room) return null;
  if (target === null) return `${specifier} is outside src/`;
  if (rule.code.includes(target)) return null;
  if (!rule.types.includes(target)) return `${room} may not import ${target} (${specifier})`;
  return entry.typeOnly ? null : `${room} may import types only of ${target} (${specifier})`;
}

function ambientFaults(file: SourceFile, room: string, rule: RoomRule): Violation[] {
  if (rule.purity === "runtime") return [];
  const code = file.text.replace(COMMENT_OR_STRING, blank);
  const patterns = rule.purity === "pure" ? [RUNTIME, IMPURE] : [RUNTIME];
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      path: file.path,
      line: lineAt(code, match.index),
      message: `${room} may not use ${match[0]}`,
    }))
  );
}

/** Cycles of imports that are there at run time, each told once, at the file that closes it. */
function findCycles(imports: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const found: Violation[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    if (done.has(path)) return;
    for (const { specifier, typeOnly, line } of imports.get(path) ?? []) {
      if (typeOnly || !specifier.startsWith(".")) continue;
      const target = join(dirname(path), specifier);
      const start = [...trail, path].indexOf(target);
      if (start < 0) visit(target, [...trail, path]);
      else {found.push({
          path,
          line,
          message: `cycle: ${[...trail, path, target].slice(start).join(" -> ")}`,
        });}
    }
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  return found;
}

function roomOf(path: string): string | null {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** Keeps the line numbers of what follows. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

function* sourcesBelow(root: string, directory: string): Generator<SourceFile> {
  const entries = [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1);
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* sourcesBelow(root, path);
    else if (entry.name.endsWith(".ts")) {
      yield { path: relative(root, path), text: Deno.readTextFileSync(path) };
    }
  }
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const files = [...sourcesBelow(root, join(root, "src"))];
  const violations = findViolations(files);
  for (const { path, line, message } of violations) console.error(`${path}:${line}: ${message}`);
  console.error(`directions: ${files.length} files, ${violations.length} violations`);
  if (violations.length > 0) Deno.exit(1);
}
