/**
 * What is wrong with a configuration: values, so that all problems of a file can be shown at once.
 *
 * @module
 */

/** Stable codes of {@linkcode ConfigProblem}. */
export type ProblemCode =
  | "syntax" // not YAML, or YAML that a configuration cannot use
  | "duplicate_key"
  | "unknown_key"
  | "misplaced" // known, but not at this level
  | "unsupported" // nginx has it, Postern cannot honour it
  | "invalid_value"
  | "missing"
  | "conflict" // each value is good, together they are not
  | "file"; // a named file is missing, unreadable or not what it should be

/** One thing that is wrong, and where. */
export interface ConfigProblem {
  /** The file as named on the command line. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
  /** Where in the document, e.g. `mail.servers[1].starttls`; empty for the document itself. */
  readonly key: string;
  readonly code: ProblemCode;
  /** What was expected and what was found. Never has secrets. */
  readonly message: string;
}

/** Writes a problem as one line, e.g. `postern.yaml:12:5: mail.servers[0].timeout: expected a time ...`. */
export function formatProblem(problem: ConfigProblem): string {
  const key = problem.key === "" ? "" : `${problem.key}: `;
  return `${problem.file}:${problem.line}:${problem.column}: ${key}${problem.message}`;
}

/** Where something stands in the source. */
export interface Place {
  readonly key: string;
  readonly line: number;
  readonly column: number;
}

/** Collects the problems of one file; the same problem at the same place counts once. */
export class ProblemList {
  readonly #file: string;
  readonly #problems = new Map<string, ConfigProblem>();

  constructor(file: string) {
    this.#file = file;
  }

  get count(): number {
    return this.#problems.size;
  }

  has(code: ProblemCode): boolean {
    return [...this.#problems.values()].some((problem) => problem.code === code);
  }

  add(place: Place, code: ProblemCode, message: string): void {
    const { key, line, column } = place;
    const problem: ConfigProblem = { file: this.#file, line, column, key, code, message };
    this.#problems.set(formatProblem(problem), problem);
  }

  /** All problems in the order of the source. */
  sorted(): ConfigProblem[] {
    return [...this.#problems.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  }
}

/** Source text as it is quoted in messages: on one line and not too long. */
export function quoteFound(text: string): string {
  if (text === "") return "nothing";
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
