import { deepEqual, throws } from "node:assert/strict";
import { expandPattern } from "../../../src/config/nginx_glob.ts";
import { type NginxFiles, NginxSource } from "../../../src/config/nginx_include.ts";

function filesOf(texts: Readonly<Record<string, string>>): NginxFiles {
  return {
    readText(path) {
      const text = texts[path];
      if (text === undefined) throw new Deno.errors.NotFound("not shown");
      return text;
    },
    glob: (pattern) =>
      expandPattern(
        pattern,
        (directory) =>
          Object.keys(texts).filter((path) => path.startsWith(`${directory}/`))
            .map((path) => path.slice(directory.length + 1).split("/")[0]!),
      ),
  };
}

function mainOf(texts: Readonly<Record<string, string>>) {
  return new NginxSource(filesOf(texts), "/c/").main("/c/nginx.conf");
}

Deno.test("NginxSource: names are relative to the directory of the main file, also in included files", () => {
  const { directives } = mainOf({
    "/c/nginx.conf": "a; include d/one.conf; z;",
    "/c/d/one.conf": "b;\ninclude two.conf;",
    "/c/two.conf": "c;",
  });
  deepEqual(directives.map(({ name, file, line }) => [name, file, line]), [
    ["a", "/c/nginx.conf", 1],
    ["b", "/c/d/one.conf", 1],
    ["c", "/c/two.conf", 1],
    ["z", "/c/nginx.conf", 1],
  ]);
});

Deno.test("NginxSource: a pattern brings its files in order, or nothing", () => {
  const { directives } = mainOf({
    "/c/nginx.conf": "include d/*.conf; include none/*.conf;",
    "/c/d/20.conf": "b;",
    "/c/d/10.conf": "a;",
  });
  deepEqual(directives.map(({ name }) => name), ["a", "b"]);
});

Deno.test("NginxSource: includes of blocks are left until they are asked for", () => {
  const texts = {
    "/c/nginx.conf": "http { include missing.conf; }\nmail { include mail.conf; }",
    "/c/mail.conf": "x;",
  };
  const source = new NginxSource(filesOf(texts), "/c/");
  const { directives } = source.main("/c/nginx.conf");
  deepEqual(source.expand(directives[1]!.block!).directives.map(({ name }) => name), ["x"]);
});

Deno.test("NginxSource: comments before an include go to what it brings, or to what follows", () => {
  const { directives, comments } = mainOf({
    "/c/nginx.conf": "# one\ninclude a.conf;\n# two\ninclude none*.conf;\n# three\nz;\n# end",
    "/c/a.conf": "# first\na;\n# behind a",
  });
  deepEqual(directives.map((each) => each.comments), [[" one", " first"], [" behind a", " two", " three"]]);
  deepEqual(comments, [" end"]);
});

const FAULTS: readonly (readonly [name: string, texts: Readonly<Record<string, string>>, message: string])[] =
  [
    ["a missing main file", {}, 'open() "/c/nginx.conf" failed (2: No such file or directory)'],
    [
      "a missing file",
      { "/c/nginx.conf": "\ninclude x.conf;" },
      'open() "/c/x.conf" failed (2: No such file or directory) in /c/nginx.conf:2',
    ],
    [
      "a fault in an included file",
      { "/c/nginx.conf": "include x.conf;", "/c/x.conf": "a;\n}" },
      'unexpected "}" in /c/x.conf:2',
    ],
    [
      "a file that includes itself",
      { "/c/nginx.conf": "include x.conf;", "/c/x.conf": "\ninclude *.conf;" },
      '"/c/nginx.conf" includes itself: /c/nginx.conf -> /c/x.conf -> /c/nginx.conf in /c/x.conf:2',
    ],
    [
      "an include without a name",
      { "/c/nginx.conf": "include;" },
      'invalid number of arguments in "include" directive in /c/nginx.conf:1',
    ],
    [
      "an include with a block",
      { "/c/nginx.conf": "include x {}" },
      'directive "include" is not terminated by ";" in /c/nginx.conf:1',
    ],
  ];

for (const [name, texts, message] of FAULTS) {
  Deno.test(`NginxSource: refuses ${name}`, () => {
    throws(() => mainOf(texts), { name: "NginxConfigError", message });
  });
}

Deno.test("NginxSource: files that include each other many times over come to an end", () => {
  const texts: Record<string, string> = { "/c/nginx.conf": "include 0;" };
  for (let index = 0; index < 40; index++) {
    texts[`/c/${index}`] = `include ${index + 1}; include ${index + 1};`;
  }
  texts["/c/40"] = "";
  throws(() => mainOf(texts), /too many included files/);
});
