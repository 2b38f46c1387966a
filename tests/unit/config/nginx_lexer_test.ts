import { deepEqual, throws } from "node:assert/strict";
import { NginxConfigError, NginxLexer } from "../../../src/config/nginx_lexer.ts";

/** All tokens but the end, words as their text in quotes, comments with `#`. */
function tokens(text: string): string[] {
  const lexer = new NginxLexer(text, "f");
  const found: string[] = [];
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) {
    found.push(
      token.kind === "word" ? `'${token.text}'` : token.kind === "comment" ? `#${token.text}` : token.kind,
    );
  }
  return found;
}

// Words were compared with nginx 1.22.1 on some thousand generated texts.
const WORDS: readonly (readonly [name: string, text: string, expected: readonly string[]])[] = [
  ["words end at blanks, tabs and line ends", "a b\tc\r\nd\n;", ["'a'", "'b'", "'c'", "'d'", ";"]],
  ["punctuation needs no blanks", "a{b c;}", ["'a'", "{", "'b'", "'c'", ";", "}"]],
  ["a closing brace inside a word belongs to it", "a}b;", ["'a}b'", ";"]],
  ["a hash inside a word belongs to it", "a#b;", ["'a#b'", ";"]],
  ["a hash before a word begins a comment", "a #b ;\n;", ["'a'", "#b ;", ";"]],
  ["a comment may end the file", "#x", ["#x"]],
  ["quotes hold blanks and punctuation", `"a ;{}#b" 'c "d"';`, ["'a ;{}#b'", "'c \"d\"'", ";"]],
  ["quotes hold line ends", '"a\nb";', ["'a\nb'", ";"]],
  ["quotes inside a word are ordinary", `a"b'c;`, ["'a\"b'c'", ";"]],
  ["empty quotes are a word", `'' "";`, ["''", "''", ";"]],
  ["a closing quote may be followed by a parenthesis", '"a") {', ["'a'", "')'", "{"]],
  ["escapes of quotes and backslashes are undone", `"a\\"b\\\\" 'c\\'d' e\\"f;`, [
    "'a\"b\\'",
    "'c'd'",
    "'e\"f'",
    ";",
  ]],
  ["escapes of control characters are undone", `"\\t\\r\\n" \\tx;`, ["'\t\r\n'", "'\tx'", ";"]],
  ["other backslashes stay", `\\.php$ "\\d+";`, ["'\\.php$'", "'\\d+'", ";"]],
  ["an escaped blank or semicolon does not end a word", "a\\ b\\;c;", ["'a\\ b\\;c'", ";"]],
  ["a brace behind a dollar belongs to the word", "${a}/$b$;", ["'${a}/$b$'", ";"]],
  ["a brace behind anything else opens a block", "a{ $b{c;", ["'a'", "{", "'$b'", "{", "'c'", ";"]],
];

for (const [name, text, expected] of WORDS) {
  Deno.test(`NginxLexer: ${name}`, () => deepEqual(tokens(text), expected));
}

const LONG = "x".repeat(4096);

const FAULTS: readonly (readonly [text: string, message: string])[] = [
  ['"a"b;', 'unexpected "b" in f:1'],
  ['a;\n"a"}', 'unexpected "}" in f:2'],
  ['a "b\n', 'unexpected end of file, expecting ";" or "}" in f:2'],
  ["a", 'unexpected end of file, expecting ";" or "}" in f:1'],
  ["a\\", 'unexpected end of file, expecting ";" or "}" in f:1'],
  [`\n"${LONG}\n";`, 'too long parameter, probably missing terminating """ character in f:2'],
  [`\n'${LONG}\n';`, 'too long parameter, probably missing terminating "\'" character in f:2'],
  [`${LONG};`, 'too long parameter "xxxxxxxxxx..." started in f:1'],
];

for (const [text, message] of FAULTS) {
  Deno.test(`NginxLexer: refuses ${JSON.stringify(text.slice(0, 12))}`, () => {
    throws(() => tokens(text), (error) => error instanceof NginxConfigError && error.message === message);
  });
}

Deno.test("NginxLexer: a token knows its line and whether an empty line stands before it", () => {
  const lexer = new NginxLexer('a\n\n"b\nc" # d\ne;', "f");
  const found = Array.from({ length: 5 }, () => lexer.next()).map((
    { line, afterBlank },
  ) => [line, afterBlank]);
  deepEqual(found, [[1, false], [3, true], [4, false], [5, false], [5, false]]);
});

Deno.test("NginxLexer: skipLua() passes over the quotes, brackets and comments of Lua", () => {
  const lexer = new NginxLexer(
    `{ if x then y = { "}" , '\\'}' } end -- }\n--[[ } \n ]] z = [==[ }]] ]==] } next;`,
    "f",
  );
  lexer.next();
  lexer.skipLua();
  const { text, line } = lexer.next();
  deepEqual([text, line], ["next", 3]);
});

Deno.test("NginxLexer: skipLua() refuses a block without an end", () => {
  const lexer = new NginxLexer(`{ "}`, "f");
  lexer.next();
  throws(() => lexer.skipLua(), { message: 'unexpected end of file, expecting "}" in f:1' });
});
