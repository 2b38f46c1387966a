import assert from "node:assert/strict";
import { join } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { PERMISSIONS, TARGETS, WORKER_MODULES } from "../../../scripts/compile.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

/** The permissions of a task. */
function permissions(task: string): string[] {
  const { command } = tasks[task];
  return command.split(/\s+/).filter((word: string) => word.startsWith("--allow")).toSorted();
}

async function compile(...args: string[]) {
  const command = new Deno.Command(Deno.execPath(), { args: ["task", "-q", "compile", ...args], cwd: ROOT });
  const { code, stdout, stderr } = await command.output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("the compiled binary may do what the proxy may do, and no more", () => {
  assert.notEqual(permissions("start").length, 0);
  assert.deepEqual(PERMISSIONS.filter((flag) => flag !== "--no-prompt").toSorted(), permissions("start"));
  assert.ok(PERMISSIONS.includes("--no-prompt"));
  assert.deepEqual(permissions("postern"), permissions("start"));
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
  assert.deepEqual(found, WORKER_MODULES);
});

Deno.test("what deno compile embeds is whole: modules, permissions, unstable interfaces", async () => {
  const { code, text } = await compile("--verify");
  assert.equal(code, 0, text);
  assert.match(text, /verified without a runtime: \d+ modules embedded/);
});

Deno.test("compile refuses a target that there is not, and names those there are", async () => {
  const { code, text } = await compile("--target", "amiga");
  assert.equal(code, 2);
  for (const target of TARGETS.keys()) assert.ok(text.includes(target), text);
});
