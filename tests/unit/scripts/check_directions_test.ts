import assert from "node:assert/strict";
import { findViolations, type SourceFile } from "../../../scripts/check_directions.ts";

const rows: readonly { name: string; path: string; text: string; violation: string | null }[] = [
  {
    name: "lets a room import what it may",
    path: "src/grammar/a.ts",
    text: 'import { x } from "../bytes/b.ts";\nimport { y } from "./c.ts";\n',
    violation: null,
  },
  {
    name: "finds an import against the direction",
    path: "src/grammar/a.ts",
    text: '// why\nimport { x } from "../session/b.ts";\n',
    violation: "src/grammar/a.ts:2: grammar may not import session (../session/b.ts)",
  },
  {
    name: "finds an import over several lines",
    path: "src/driver/a.ts",
    text: 'import {\n  x,\n  y,\n} from "../io/b.ts";\n',
    violation: "src/driver/a.ts:1: driver may not import io (../io/b.ts)",
  },
  {
    name: "finds a re-export",
    path: "src/bytes/a.ts",
    text: 'export * from "../grammar/b.ts";\n',
    violation: "src/bytes/a.ts:1: bytes may not import grammar (../grammar/b.ts)",
  },
  {
    name: "finds an import for its effects",
    path: "src/bytes/a.ts",
    text: 'import "../grammar/b.ts";\n',
    violation: "src/bytes/a.ts:1: bytes may not import grammar (../grammar/b.ts)",
  },
  {
    name: "finds a dynamic import",
    path: "src/auth/a.ts",
    text: 'const x = await import("../app/b.ts");\n',
    violation: "src/auth/a.ts:1: auth may not import app (../app/b.ts)",
  },
  {
    name: "lets types pass where types may",
    path: "src/policy/a.ts",
    text: 'import type { X } from "../config/b.ts";\nimport { type Y, type Z } from "../config/c.ts";\n',
    violation: null,
  },
  {
    name: "refuses code where only types may pass",
    path: "src/policy/a.ts",
    text: 'import { type X, y } from "../config/b.ts";\n',
    violation: "src/policy/a.ts:1: policy may import types only of config (../config/b.ts)",
  },
  {
    name: "refuses built-in modules of Node in a pure room",
    path: "src/grammar/a.ts",
    text: 'import { isIP } from "node:net";\n',
    violation: "src/grammar/a.ts:1: grammar may not import node:net",
  },
  {
    name: "allows one named built-in module to one named file",
    path: "src/config/certificate_check.ts",
    text: 'import { X509Certificate } from "node:crypto";\n',
    violation: null,
  },
  {
    name: "refuses other built-in modules to that file",
    path: "src/config/certificate_check.ts",
    text: 'import { readFileSync } from "node:fs";\n',
    violation: "src/config/certificate_check.ts:1: config may not import node:fs",
  },
  {
    name: "allows built-in modules and Deno in io",
    path: "src/io/a.ts",
    text: 'import tls from "node:tls";\nDeno.listen({ port: 0 });\n',
    violation: null,
  },
  {
    name: "refuses packages in a pure room",
    path: "src/session/a.ts",
    text: 'import { parse } from "@std/yaml";\n',
    violation: "src/session/a.ts:1: session may not import the package @std/yaml",
  },
  {
    name: "refuses a package that deno.json does not name",
    path: "src/config/a.ts",
    text: 'import { parse } from "npm:yaml";\n',
    violation: "src/config/a.ts:1: npm:yaml: name packages in deno.json",
  },
  {
    name: "refuses Deno where the runtime is not",
    path: "src/driver/a.ts",
    text: "\nconst now = Deno.now();\n",
    violation: "src/driver/a.ts:2: driver may not use Deno.now",
  },
  {
    name: "refuses a clock in a pure room",
    path: "src/session/a.ts",
    text: "const now = Date.now();\n",
    violation: "src/session/a.ts:1: session may not use Date.now",
  },
  {
    name: "does not read comments and strings as code",
    path: "src/grammar/a.ts",
    text:
      '/* Deno.exit() */\n// import { x } from "../app/b.ts";\nconst text = "Deno.exit()" + \'fetch(1)\';\n',
    violation: null,
  },
  {
    name: "does not take a declaration before a string for an import",
    path: "src/ports/a.ts",
    text: 'export type Mode = "off" | "on";\nexport interface X {\n  readonly kind: "from";\n}\n',
    violation: null,
  },
  {
    name: "refuses what leaves src/",
    path: "src/io/a.ts",
    text: 'import { x } from "../../scripts/b.ts";\n',
    violation: "src/io/a.ts:1: ../../scripts/b.ts is outside src/",
  },
  {
    name: "lets app import everything",
    path: "src/app/a.ts",
    text: 'import { x } from "../io/b.ts";\nDeno.exit(0);\n',
    violation: null,
  },
];

for (const { name, path, text, violation } of rows) {
  Deno.test(`findViolations() ${name}`, () => {
    const found = findViolations([{ path, text }]).map((v) => `${v.path}:${v.line}: ${v.message}`);
    assert.deepEqual(found, violation === null ? [] : [violation]);
  });
}

Deno.test("findViolations() names a file in no room", () => {
  const [found] = findViolations([{ path: "src/utils/a.ts", text: "" }]);
  assert.match(found?.message ?? "", /^is in no room/);
});

Deno.test("findViolations() tells a cycle once, and none for types", () => {
  const files: SourceFile[] = [
    { path: "src/bytes/a.ts", text: 'import { b } from "./b.ts";\n' },
    { path: "src/bytes/b.ts", text: '\nimport { c } from "./c.ts";\nimport type { a } from "./a.ts";\n' },
    { path: "src/bytes/c.ts", text: 'import { b } from "./b.ts";\n' },
  ];
  assert.deepEqual(findViolations(files), [
    { path: "src/bytes/c.ts", line: 1, message: "cycle: src/bytes/b.ts -> src/bytes/c.ts -> src/bytes/b.ts" },
  ]);
});
