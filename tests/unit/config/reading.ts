import { parseYaml } from "../../../src/config/yaml_source.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { type ConfigProblem, formatProblem, ProblemList } from "../../../src/config/problem.ts";
import type { Config } from "../../../src/config/settings.ts";
import type { ValueType } from "../../../src/config/value_type.ts";
import { joinPath } from "../../../src/config/file_access.ts";

/** Reads one YAML value as a kind of value; the messages of what is wrong come instead of a value. */
export function readAs<T>(type: ValueType<T>, yaml: string): { value: T | undefined; problems: string[] } {
  const problems = new ProblemList("t.yaml");
  const node = parseYaml(yaml, problems);
  const value = node === null ? undefined : type.read(node, {
    problem: (place, code, message) => problems.add(place, code, message),
    filePath: (name) => joinPath("/conf", name),
  });
  return { value, problems: problems.sorted().map((problem) => problem.message) };
}

/** Loads a text with the files given by name; any other file is missing. */
export function load(text: string, files: Readonly<Record<string, string>> = {}): Config | ConfigProblem[] {
  return loadConfig(text, "postern.yaml", {
    readText(path) {
      const found = files[path];
      if (found !== undefined) return found;
      throw Object.assign(new Error(`no ${path}`), { name: "NotFound" });
    },
    hostname: () => "Box.Example",
  });
}

/** Loads a text that must be good. */
export function loadGood(text: string, files: Readonly<Record<string, string>> = {}): Config {
  const result = load(text, files);
  if (Array.isArray(result)) throw new Error(result.map(formatProblem).join("\n"));
  return result as Config;
}

/** Loads a text that must be bad, and answers its problems as people see them. */
export function loadBad(text: string, files: Readonly<Record<string, string>> = {}): string[] {
  const result = load(text, files);
  if (!Array.isArray(result)) throw new Error("the configuration was accepted");
  return result.map(formatProblem);
}
