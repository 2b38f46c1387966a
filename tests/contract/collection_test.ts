import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { withTempDir } from "../support/temp_dir.ts";

const ROUNDS = 6;
/** Those of `deno task start`, and V8 tells of each collection. */
const FLAGS = `${
  config.tasks.start.command.split(" ").find((word) => word.startsWith("--v8-flags="))
},--trace-gc`;

/** Has V8 begin to collect all objects, in rounds in which new objects are made, and tells how much memory that took. */
const PROGRAM = `
  import { beginCollection } from "${new URL("../../src/io/dead_handles.ts", import.meta.url)}";
  const before = Deno.memoryUsage().rss;
  let made = [];
  for (let round = 0; round < ${ROUNDS}; round++) {
    if (Deno.args[0] === "collect") beginCollection();
    for (let turn = 0; turn < 60; turn++) {
      made = Array.from({ length: 2_000 }, (_, at) => ({ at }));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  console.log("grown " + (Deno.memoryUsage().rss - before) + " by " + made.length);
`;

async function run(how: string): Promise<{ readonly collections: number; readonly grown: number }> {
  return await withTempDir(async (directory) => {
    const file = `${directory}/program.js`;
    await Deno.writeTextFile(file, PROGRAM);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--no-config", FLAGS, file, how],
      stderr: "inherit",
    }).output();
    const text = new TextDecoder().decode(stdout);
    const [, grown] = /grown (-?\d+) by 2000/.exec(text) ?? [];
    return { collections: text.match(/ Mark-Compact /g)?.length ?? 0, grown: Number(grown) };
  });
}

Deno.test("V8 collects all objects when memory outside of its heap is taken, and takes none for it", async () => {
  assert.equal((await run("leave")).collections, 0);
  const { collections, grown } = await run("collect");
  // It passes over the first one.
  assert.ok(collections >= ROUNDS - 2, `${collections} collections`);
  assert.ok(grown < 64 * 1024 * 1024, `${grown} octets`);
});
