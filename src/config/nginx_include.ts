/**
 * nginx configuration files: finding, reading and including them.
 *
 * @module
 */
import type { FileAccess } from "./file_access.ts";
import { isPattern } from "./nginx_glob.ts";
import { NginxConfigError } from "./nginx_lexer.ts";
import { type NginxBlock, type NginxDirective, parseNginx } from "./nginx_parser.ts";

/** The file system, as far as an nginx configuration needs it. Paths are absolute. */
export interface NginxFiles extends Pick<FileAccess, "readText"> {
  /** The files that match a pattern, in byte order; none when nothing matches. */
  glob(pattern: string): readonly string[];
}

/** Most files of one configuration: a bound for files that include each other many times over. */
const MOST_FILES = 10_000;

/** Joins a file name to the directory it is relative to (`ngx_get_full_name`). */
export function fullName(name: string, directory: string): string {
  if (name.startsWith("/")) return name;
  return `${directory.endsWith("/") ? directory : `${directory}/`}${name}`;
}

/** The directory of a file, as nginx takes it for the configuration prefix. */
export function directoryOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/") + 1) || "/";
}

/** Reads the files of one configuration and replaces `include` directives by what they include. */
export class NginxSource {
  readonly #files: NginxFiles;
  readonly #directory: string;
  readonly #open: string[] = [];
  #read = 0;

  /** `directory` is what file names in the configuration are relative to: that of the main file. */
  constructor(files: NginxFiles, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /**
   * The directives of the main file, includes replaced on this level alone.
   * @throws {NginxConfigError}
   */
  main(file: string): NginxBlock {
    return this.#readFile(file, { file, endLine: 0 });
  }

  /**
   * A block with its includes replaced, those of nested blocks left alone: what stands in `http {}` need not be
   * readable for mail. Comments that stand before an `include` go before the first directive that it brings.
   * @throws {NginxConfigError}
   */
  expand(block: NginxBlock): NginxBlock {
    if (!block.directives.some(isInclude)) return block;
    const directives: NginxDirective[] = [];
    let comments: readonly string[] = [];
    for (const directive of block.directives) {
      const brought = isInclude(directive)
        ? this.#include(directive)
        : { directives: [directive], comments: [] };
      const [first, ...rest] = brought.directives;
      const before = isInclude(directive) ? [...comments, ...directive.comments] : comments;
      if (first === undefined) {
        comments = [...before, ...brought.comments];
        continue;
      }
      directives.push(
        before.length === 0 ? first : { ...first, comments: [...before, ...first.comments] },
        ...rest,
      );
      comments = brought.comments;
    }
    return { directives, comments: [...comments, ...block.comments] };
  }

  #include(directive: NginxDirective): NginxBlock {
    const { file, endLine } = directive;
    if (directive.block !== null) {
      throw new NginxConfigError(`directive "include" is not terminated by ";"`, file, endLine);
    }
    const [name] = directive.args;
    if (name === undefined || directive.args.length > 1) {
      throw new NginxConfigError(`invalid number of arguments in "include" directive`, file, endLine);
    }
    const path = fullName(name, this.#directory);
    const paths = isPattern(path) ? this.#files.glob(path) : [path];
    const blocks = paths.map((path) => this.#includeFile(path, directive));
    return {
      directives: blocks.flatMap((block) => block.directives),
      comments: blocks.flatMap((block) => block.comments),
    };
  }

  #includeFile(path: string, { file, endLine }: NginxDirective): NginxBlock {
    if (this.#open.includes(path)) {
      throw new NginxConfigError(
        `"${path}" includes itself: ${[...this.#open, path].join(" -> ")}`,
        file,
        endLine,
      );
    }
    if (++this.#read > MOST_FILES) throw new NginxConfigError("too many included files", file, endLine);
    return this.#readFile(path, { file, endLine });
  }

  #readFile(path: string, wanted: Pick<NginxDirective, "file" | "endLine">): NginxBlock {
    let text: string;
    try {
      text = this.#files.readText(path);
    } catch (error) {
      throw new NginxConfigError(
        `open() "${path}" failed (${errorText(error)})`,
        wanted.file,
        wanted.endLine,
      );
    }
    this.#open.push(path);
    const block = this.expand(parseNginx(text, path));
    this.#open.pop();
    return block;
  }
}

/** What went wrong with a file, as nginx shows errno. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return ERRNO[error.name] ?? error.message;
}

const ERRNO: Readonly<Record<string, string>> = {
  NotFound: "2: No such file or directory",
  PermissionDenied: "13: Permission denied",
  IsADirectory: "21: Is a directory",
};

function isInclude(directive: NginxDirective): boolean {
  return directive.name === "include";
}
