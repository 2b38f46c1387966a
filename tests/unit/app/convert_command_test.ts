import { deepEqual, equal } from "node:assert/strict";
import { runConvert } from "../../../src/app/convert_command.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";

const GOOD = "mail { auth_http 127.0.0.1:9000/; include servers.d/*.conf; }";
const SERVER = "server { listen 25; }";

async function run(args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runConvert(args, { out: (text) => out += text, err: (text) => err += text });
  return { code, out, err };
}

async function withConfig(
  server: string,
  body: (directory: string, file: string) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    await Deno.mkdir(`${directory}/servers.d`);
    const paths = await writeFiles(directory, { "nginx.conf": GOOD, "servers.d/a.conf": server });
    await body(directory, paths["nginx.conf"]);
  });
}

Deno.test("postern convert writes YAML to standard output and ends with 0 when all was taken over", async () => {
  await withConfig(SERVER, async (_, file) => {
    const { code, out, err } = await run([file]);
    deepEqual([code, err, out.includes("\n    - listen: 25\n")], [0, "", true]);
  });
});

Deno.test("postern convert -o writes to a file", async () => {
  await withConfig(SERVER, async (directory, file) => {
    const { out: expected } = await run([file]);
    const { code, out } = await run(["-o", `${directory}/postern.yaml`, file]);
    deepEqual([code, out, await Deno.readTextFile(`${directory}/postern.yaml`)], [0, "", expected]);
  });
});

Deno.test("postern convert lists what was left out and ends with 3", async () => {
  await withConfig("server {\n listen 25;\n proxy on;\n}", async (directory, file) => {
    const { code, err, out } = await run([file]);
    equal(code, 3);
    equal(err, `${directory}/servers.d/a.conf:3: proxy: it has no effect in nginx either, leave it out\n`);
    equal(out.includes("# Left out:"), true);
  });
});

Deno.test("postern convert -p takes a relative configuration from the prefix", async () => {
  await withConfig(SERVER, async (directory) => {
    equal((await run(["nginx.conf", "-p", directory])).code, 0);
  });
});

Deno.test("postern convert ends with 1 for a broken configuration, and writes nothing", async () => {
  await withConfig("server {\n listen 25\n}", async (directory, file) => {
    const { code, out, err } = await run([file, "-o", `${directory}/postern.yaml`]);
    deepEqual([code, out], [1, ""]);
    equal(err, `postern convert: unexpected "}" in ${directory}/servers.d/a.conf:3\n`);
    equal(Array.from(Deno.readDirSync(directory)).some(({ name }) => name === "postern.yaml"), false);
  });
});

Deno.test("postern convert ends with 1 when there is no such configuration", async () => {
  await withTempDir(async (directory) => {
    const { code, err } = await run([`${directory}/none.conf`]);
    deepEqual([code, err], [
      1,
      `postern convert: open() "${directory}/none.conf" failed (2: No such file or directory)\n`,
    ]);
  });
});

Deno.test("postern convert ends with 1 when the output cannot be written", async () => {
  await withConfig(SERVER, async (directory, file) => {
    const { code, err } = await run([file, "-o", `${directory}/none/postern.yaml`]);
    deepEqual([code, err.startsWith("postern convert: ")], [1, true]);
  });
});

for (const args of [[], ["a.conf", "b.conf"], ["a.conf", "-o"], ["--wrong", "a.conf"]]) {
  Deno.test(`postern convert ends with 2 when called as ${JSON.stringify(args)}`, async () => {
    const { code, out, err } = await run(args);
    deepEqual([code, out, err.startsWith("postern convert: ")], [2, "", true]);
  });
}
