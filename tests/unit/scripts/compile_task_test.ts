import assert from "node:assert/strict";
import { join } from "node:path/posix";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

/** The words of a task that begin with `prefix`. */
function words(task: string, prefix: string): string[] {
  const { command } = tasks[task];
  return command.split(/\s+/).filter((word: string) => word.startsWith(prefix)).toSorted();
}

Deno.test("the compiled binary may do what the proxy may do, and no more", () => {
  assert.notEqual(words("start", "--allow").length, 0);
  assert.deepEqual(words("compile", "--allow"), words("start", "--allow"));
  assert.deepEqual(words("postern", "--allow"), words("start", "--allow"));
});

Deno.test("the compiled binary has every module that a worker begins with", async () => {
  const found: string[] = [];
  for (const { name: room, isDirectory } of Deno.readDirSync(join(ROOT, "src"))) {
    if (!isDirectory) continue;
    for (const { name } of Deno.readDirSync(join(ROOT, "src", room))) {
      if (!name.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(join(ROOT, "src", room, name));
      for (const [, module] of text.matchAll(/new Worker\(\s*new URL\("([^"]+)", import\.meta\.url\)/g)) {
        found.push(join("src", room, module!));
      }
    }
  }
  assert.deepEqual(found, ["src/app/worker_main.ts"]);
  const included = [...tasks.compile.command.matchAll(/--include (\S+)/g)].map(([, path]) => path);
  assert.deepEqual(included, found);
});
