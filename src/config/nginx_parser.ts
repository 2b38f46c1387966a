/**
 * The tree of directives of one nginx configuration file.
 *
 * @module
 */
import { NginxConfigError, NginxLexer, type NginxToken, UNEXPECTED_END } from "./nginx_lexer.ts";

/** A directive as it stands in a file. */
export interface NginxDirective {
  readonly name: string;
  readonly args: readonly string[];
  readonly file: string;
  /** Line of the name, from 1. */
  readonly line: number;
  /** Line of the `;` or `{`, which is the one nginx names in its messages. */
  readonly endLine: number;
  /** Comments before it, without `#`. */
  readonly comments: readonly string[];
  /** Comment behind it on the same line, without `#`, or null. */
  readonly trailing: string | null;
  /** Whether an empty line stands before it and its comments. */
  readonly afterBlank: boolean;
  readonly block: NginxBlock | null;
}

/** What stands between `{` and `}`, or in a whole file. */
export interface NginxBlock {
  readonly directives: readonly NginxDirective[];
  /** Comments behind the last directive. */
  readonly comments: readonly string[];
}

/** Deepest nesting of blocks; nginx has no such limit, its real configurations stay below ten. */
const DEEPEST_BLOCK = 100;

/**
 * Reads one file, includes left as directives.
 * @throws {NginxConfigError} at the first fault of syntax.
 */
export function parseNginx(text: string, file: string): NginxBlock {
  return new Parser(text, file).block(0);
}

class Parser {
  readonly #lexer: NginxLexer;
  readonly #file: string;
  /** Read in search of a comment behind a directive. */
  #ahead: NginxToken | null = null;

  constructor(text: string, file: string) {
    this.#lexer = new NginxLexer(text, file);
    this.#file = file;
  }

  block(depth: number): NginxBlock {
    if (depth > DEEPEST_BLOCK) this.#fail("too many nested blocks");
    const directives: NginxDirective[] = [];
    let comments: string[] = [];
    let afterBlank = false;
    for (;;) {
      const token = this.#next();
      if (comments.length === 0) afterBlank = token.afterBlank;
      switch (token.kind) {
        case "comment":
          comments.push(token.text);
          break;
        case "word":
          directives.push(this.#directive(token, comments, afterBlank, depth));
          comments = [];
          break;
        case "end":
          if (depth > 0) this.#fail(`unexpected end of file, expecting "}"`);
          return { directives, comments };
        case "}":
          if (depth === 0) this.#fail(`unexpected "}"`);
          return { directives, comments };
        case ";":
        case "{":
          this.#fail(`unexpected "${token.kind}"`);
      }
    }
  }

  #directive(first: NginxToken, comments: string[], afterBlank: boolean, depth: number): NginxDirective {
    const args: string[] = [];
    for (;;) {
      const token = this.#next();
      switch (token.kind) {
        case "word":
          args.push(token.text);
          break;
        case "comment":
          comments.push(token.text);
          break;
        case "end":
          this.#fail(UNEXPECTED_END);
          break;
        case "}":
          this.#fail(`unexpected "}"`);
          break;
        case ";":
        case "{": {
          const lua = token.kind === "{" && first.text.endsWith("_by_lua_block");
          if (lua) this.#lexer.skipLua();
          const trailing = lua ? null : this.#trailing(token.line);
          const block = token.kind === ";" ? null : lua ? EMPTY : this.block(depth + 1);
          const { text: name, line } = first;
          return {
            name,
            args,
            file: this.#file,
            line,
            endLine: token.line,
            comments,
            trailing,
            afterBlank,
            block,
          };
        }
      }
    }
  }

  #next(): NginxToken {
    const token = this.#ahead ?? this.#lexer.next();
    this.#ahead = null;
    return token;
  }

  #trailing(line: number): string | null {
    const next = this.#next();
    if (next.kind === "comment" && next.line === line) return next.text;
    this.#ahead = next;
    return null;
  }

  #fail(problem: string): never {
    throw new NginxConfigError(problem, this.#file, this.#lexer.line);
  }
}

const EMPTY: NginxBlock = { directives: [], comments: [] };
