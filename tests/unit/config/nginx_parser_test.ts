import { deepEqual, equal, throws } from "node:assert/strict";
import { parseNginx } from "../../../src/config/nginx_parser.ts";

const FAULTS: readonly (readonly [text: string, message: string])[] = [
  ["}", 'unexpected "}" in f:1'],
  ["a {\n b;\n}\n}", 'unexpected "}" in f:4'],
  [";", 'unexpected ";" in f:1'],
  ["a { {", 'unexpected "{" in f:1'],
  ["a b }", 'unexpected "}" in f:1'],
  ["a {\n b;\n", 'unexpected end of file, expecting "}" in f:3'],
  ["a b", 'unexpected end of file, expecting ";" or "}" in f:1'],
  ["a b ", 'unexpected end of file, expecting ";" or "}" in f:1'],
  ["a {".repeat(101), "too many nested blocks in f:1"],
];

for (const [text, message] of FAULTS) {
  Deno.test(`parseNginx() refuses ${JSON.stringify(text.slice(0, 16))}`, () => {
    throws(() => parseNginx(text, "f"), { name: "NginxConfigError", message });
  });
}

Deno.test("parseNginx() keeps names, arguments, lines and blocks", () => {
  const { directives } = parseNginx("a b\n c;\nd {\n e;\n}", "f");
  const [first, second] = directives;
  deepEqual([first?.name, first?.args, first?.line, first?.endLine, first?.block], [
    "a",
    ["b", "c"],
    1,
    2,
    null,
  ]);
  deepEqual([second?.name, second?.line, second?.block?.directives[0]?.line], ["d", 3, 4]);
});

Deno.test("parseNginx() gives every comment to the directive that it stands at", () => {
  const text = "# one\n\n# two\na # within\n b; # behind\nc { # opening\n d; } # lost to e\ne;\n# last";
  const { directives, comments } = parseNginx(text, "f");
  deepEqual(
    directives.map((each) => [each.name, each.comments, each.trailing]),
    [["a", [" one", " two", " within"], " behind"], ["c", [], " opening"], ["e", [" lost to e"], null]],
  );
  deepEqual(comments, [" last"]);
});

Deno.test("parseNginx() keeps comments at the end of a block with the block", () => {
  deepEqual(parseNginx("a { b;\n # end\n}", "f").directives[0]?.block?.comments, [" end"]);
});

Deno.test("parseNginx() notes an empty line before a directive and its comments", () => {
  const { directives } = parseNginx("a;\nb;\n\n# about c\nc;", "f");
  deepEqual(directives.map((each) => each.afterBlank), [false, false, true]);
});

Deno.test("parseNginx() does not look into blocks of Lua", () => {
  const { directives } = parseNginx("init_by_lua_block { x = '}' }\nb;", "f");
  equal(directives[1]?.name, "b");
  deepEqual(directives[0]?.block?.directives, []);
});
