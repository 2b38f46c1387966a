import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { embeddedMetadata, loadedModules, problemsOf } from "../../../scripts/compile_check.ts";

const METADATA = {
  argv: [],
  entrypoint_key: "mod.ts",
  permissions: { allow_net: [], allow_env: ["A", "B"], allow_run: null, allow_import: ["x"], prompt: false },
  unstable_config: { features: ["net"] },
};
const EXPECTED = {
  main: "mod.ts",
  modules: [{ path: "src/a.ts", text: "export const a = 1;" }],
  permissions: ["--no-prompt", "--allow-net", "--allow-env=A,B"],
  unstable: ["net"],
};

/** An executable as Deno writes it: runtime, mark twice, length, description, files. */
function executable(metadata: unknown, files: string, runtime = "runtime"): Uint8Array {
  const description = Buffer.from(JSON.stringify(metadata));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(description.length));
  return Buffer.concat([
    Buffer.from(`${runtime}d3n0l4ndd3n0l4nd`),
    length,
    description,
    Buffer.from(files),
  ]);
}

function problems(metadata: unknown, files = "...export const a = 1;...", runtime?: string): string[] {
  const bytes = executable(metadata, files, runtime);
  return problemsOf(bytes, embeddedMetadata(bytes), EXPECTED);
}

Deno.test("a whole executable has no problems", () => assert.deepEqual(problems(METADATA), []));

const CASES: readonly { name: string; metadata: unknown; files?: string; runtime?: string; want: RegExp }[] =
  [
    {
      name: "a module that is missing",
      metadata: METADATA,
      files: "export const b = 1;",
      want: /src\/a\.ts is not embedded/,
    },
    {
      name: "a module that only the runtime has",
      metadata: METADATA,
      files: "",
      runtime: "export const a = 1;",
      want: /src\/a\.ts is not embedded/,
    },
    {
      name: "another program",
      metadata: { ...METADATA, entrypoint_key: "other.ts" },
      want: /expected mod\.ts to be run, found other\.ts/,
    },
    {
      name: "an unstable interface that is off",
      metadata: { ...METADATA, unstable_config: { features: [] } },
      want: /unstable "net" is not on/,
    },
    {
      name: "a permission that is missing",
      metadata: { ...METADATA, permissions: { ...METADATA.permissions, allow_net: null } },
      want: /allow_net: expected \[\], found null/,
    },
    {
      name: "a permission too much",
      metadata: { ...METADATA, permissions: { ...METADATA.permissions, allow_run: [] } },
      want: /allow_run: expected null, found \[\]/,
    },
    {
      name: "a permission that is too wide",
      metadata: { ...METADATA, permissions: { ...METADATA.permissions, allow_env: [] } },
      want: /allow_env: expected \["A","B"\], found \[\]/,
    },
    {
      name: "prompts",
      metadata: { ...METADATA, permissions: { ...METADATA.permissions, prompt: true } },
      want: /it would ask for permissions/,
    },
  ];
for (const { name, metadata, files, runtime, want } of CASES) {
  Deno.test(`the check of a binary tells ${name}`, () => {
    const [only, ...more] = problems(metadata, files, runtime);
    assert.match(only ?? "", want);
    assert.deepEqual(more, []);
  });
}

Deno.test("an executable with nothing embedded is told", () => {
  assert.throws(
    () => embeddedMetadata(Buffer.from('no {"argv":[]} here')),
    /Cannot find an embedded program/,
  );
});

Deno.test("modules that only give types are not loaded", () => {
  const graph = {
    modules: [
      { specifier: "a", dependencies: [{ code: { specifier: "b" } }, {}] },
      { specifier: "b", dependencies: [{ code: { specifier: "a" } }] },
      { specifier: "types" },
    ],
  };
  assert.deepEqual([...loadedModules(graph, "a")], ["a", "b"]);
});

Deno.test("a module that cannot be loaded is told", () => {
  const graph = { modules: [{ specifier: "a", error: "gone" }] };
  assert.throws(() => loadedModules(graph, "a"), /Cannot load a: gone/);
});
