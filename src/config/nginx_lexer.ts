/**
 * Words, punctuation and comments of nginx's configuration language.
 *
 * nginx reads a whole directive at a time (`ngx_conf_read_token`); the rules here are the same, cut at the token:
 * a quote is special only at the beginning of a word, `#` only before one, `}` only before one, a `{` behind `$`
 * belongs to the word, and what follows a closing quote must separate.
 *
 * @module
 */

/** The configuration cannot be used; worded as nginx words it. */
export class NginxConfigError extends Error {
  override readonly name = "NginxConfigError";
  readonly file: string;
  /** From 1; 0 when the file could not be read at all. */
  readonly line: number;
  /** What is wrong, without the place. */
  readonly problem: string;
  constructor(problem: string, file: string, line: number) {
    super(line === 0 ? problem : `${problem} in ${file}:${line}`);
    this.problem = problem;
    this.file = file;
    this.line = line;
  }
}

/** A token and the line it begins on. */
export interface NginxToken {
  readonly kind: "word" | "comment" | ";" | "{" | "}" | "end";
  /** The word without quotes and escapes, or the comment without `#`; else empty. */
  readonly text: string;
  readonly line: number;
  /** Whether an empty line stands before it. */
  readonly afterBlank: boolean;
}

/** Longest word, as in nginx: `NGX_CONF_BUFFER`. */
const LONGEST_WORD = 4096;

/** What nginx takes for the end of a file inside a directive. */
export const UNEXPECTED_END = `unexpected end of file, expecting ";" or "}"`;

function isSpace(character: string): boolean {
  return character === " " || character === "\t" || character === "\r" || character === "\n";
}

/** Takes `\"`, `\'`, `\\`, `\t`, `\r` and `\n` apart; any other backslash stays, as in nginx. */
function unescape(raw: string): string {
  if (!raw.includes("\\")) return raw;
  return raw.replace(/\\(["'\\trn])/g, (_, escaped: string) => {
    switch (escaped) {
      case "t":
        return "\t";
      case "r":
        return "\r";
      case "n":
        return "\n";
      default:
        return escaped;
    }
  });
}

/** Cuts one file into tokens. */
export class NginxLexer {
  readonly #text: string;
  readonly #file: string;
  #position = 0;
  #line = 1;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  /** Line of the next unread character, from 1. */
  get line(): number {
    return this.#line;
  }

  /**
   * The next token; `end` again and again at the end of the file.
   * @throws {NginxConfigError}
   */
  next(): NginxToken {
    const afterBlank = this.#skipSpace();
    const line = this.#line;
    const character = this.#text[this.#position];
    switch (character) {
      case undefined:
        return { kind: "end", text: "", line, afterBlank };
      case ";":
      case "{":
      case "}":
        this.#position++;
        return { kind: character, text: "", line, afterBlank };
      case "#":
        return { kind: "comment", text: this.#comment(), line, afterBlank };
      case '"':
      case "'":
        return { kind: "word", text: this.#quoted(character), line, afterBlank };
      default:
        return { kind: "word", text: this.#bare(), line, afterBlank };
    }
  }

  /**
   * Passes over a block of Lua code whose `{` has been read (`*_by_lua_block`), up to and including its `}`: Lua
   * has quotes and braces of its own.
   * @throws {NginxConfigError} when the block does not end.
   */
  skipLua(): void {
    let depth = 1;
    while (depth > 0) {
      const character = this.#text[this.#position];
      if (character === undefined) this.#fail(`unexpected end of file, expecting "}"`);
      const long = /^(?:--)?\[(=*)\[/.exec(this.#text.slice(this.#position, this.#position + 64));
      if (long !== null) this.#skipPast(`]${long[1]}]`);
      else if (this.#text.startsWith("--", this.#position)) this.#skipPast("\n");
      else if (character === '"' || character === "'") this.#skipLuaString(character);
      else {
        if (character === "{") depth++;
        else if (character === "}") depth--;
        this.#advance();
      }
    }
  }

  #skipLuaString(quote: string): void {
    this.#advance();
    for (;;) {
      const character = this.#text[this.#position];
      if (character === undefined) return;
      this.#advance();
      if (character === quote || character === "\n") return;
      if (character === "\\" && this.#position < this.#text.length) this.#advance();
    }
  }

  #skipPast(mark: string): void {
    const found = this.#text.indexOf(mark, this.#position);
    const end = found < 0 ? this.#text.length : found + mark.length;
    while (this.#position < end) this.#advance();
  }

  #advance(): void {
    if (this.#text[this.#position] === "\n") this.#line++;
    this.#position++;
  }

  #skipSpace(): boolean {
    const fromLine = this.#line;
    const fromStart = this.#position === 0;
    for (;;) {
      const character = this.#text[this.#position];
      if (character === undefined || !isSpace(character)) break;
      this.#advance();
    }
    return this.#line - fromLine > (fromStart ? 0 : 1);
  }

  #comment(): string {
    const end = this.#text.indexOf("\n", this.#position);
    const text = this.#text.slice(this.#position + 1, end < 0 ? this.#text.length : end);
    this.#position += text.length + 1;
    return text.trimEnd();
  }

  #quoted(quote: string): string {
    const startLine = this.#line;
    const start = ++this.#position;
    for (;;) {
      const character = this.#text[this.#position];
      if (character === undefined) this.#fail(UNEXPECTED_END);
      if (this.#position - start >= LONGEST_WORD) {
        this.#fail(`too long parameter, probably missing terminating "${quote}" character`, startLine);
      }
      if (character === quote) break;
      this.#advance();
      if (character === "\\" && this.#position < this.#text.length) this.#advance();
    }
    const text = unescape(this.#text.slice(start, this.#position));
    this.#position++;
    const next = this.#text[this.#position];
    if (next !== undefined && !isSpace(next) && next !== ";" && next !== "{" && next !== ")") {
      this.#fail(`unexpected "${next}"`);
    }
    return text;
  }

  #bare(): string {
    const startLine = this.#line;
    const start = this.#position;
    let variable = false;
    for (;;) {
      const character = this.#text[this.#position];
      if (character === undefined) this.#fail(UNEXPECTED_END);
      if (this.#position - start >= LONGEST_WORD) {
        this.#fail(`too long parameter "${this.#text.slice(start, start + 10)}..." started`, startLine);
      }
      if (isSpace(character) || character === ";" || (character === "{" && !variable)) break;
      if (character !== "{") variable = character === "$";
      this.#advance();
      if (character === "\\" && this.#position < this.#text.length) this.#advance();
    }
    return unescape(this.#text.slice(start, this.#position));
  }

  #fail(problem: string, line = this.#line): never {
    throw new NginxConfigError(problem, this.#file, line);
  }
}
