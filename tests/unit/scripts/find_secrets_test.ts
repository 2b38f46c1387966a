import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { found } from "../../../scripts/find_secrets.ts";
import { keepOutput } from "../../support/written_output.ts";
import { withTempDir } from "../../support/temp_dir.ts";

const SCRIPT = fileURLToPath(new URL("../../../scripts/find_secrets.ts", import.meta.url));

async function look(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--allow-read", SCRIPT, ...args],
    env: { NO_COLOR: "1" },
  });
  const { code, stderr } = await command.output();
  return { code, text: new TextDecoder().decode(stderr) };
}

/** Keeps outputs as a test run does. */
async function keep(
  directory: string,
  outputs: readonly string[],
  secrets: readonly string[],
): Promise<void> {
  const before = Deno.env.get("POSTERN_RUN_OUTPUT");
  Deno.env.set("POSTERN_RUN_OUTPUT", directory);
  for (const output of outputs) await keepOutput(output, secrets);
  if (before === undefined) Deno.env.delete("POSTERN_RUN_OUTPUT");
  else Deno.env.set("POSTERN_RUN_OUTPUT", before);
}

Deno.test("found() tells the secrets that stand in a text", () => {
  assert.deepEqual(found("a hunter22 b", ["hunter22", "hunter33"]), ["hunter22"]);
  assert.deepEqual(found("", ["hunter22"]), []);
});

/** Outputs of processes, what the run printed, and what becomes of it. */
const RUNS: readonly (readonly [name: string, outputs: readonly string[], printed: string, code: number])[] =
  [
    ["nothing", ["login: alice", "quit"], "ok | 3 passed", 0],
    ["a password in a log", ["login: alice", "password: hunter22!"], "ok | 3 passed", 1],
    ["a password that the run printed", ["login: alice"], "transcript: hunter22!", 1],
    ["a word in the name of a test", ["login: alice"], "a secret is kept ... ok", 0],
    ["the same word in a log", ["a secret is kept"], "", 1],
    ["no output at all", [], "", 1],
  ];

for (const [name, outputs, printed, code] of RUNS) {
  Deno.test(`find_secrets.ts ends with ${code} where there is ${name}`, async () => {
    await withTempDir(async (directory) => {
      await Deno.mkdir(`${directory}/run`);
      await keep(`${directory}/run`, outputs, ["hunter22!", "secret"]);
      await Deno.writeTextFile(`${directory}/printed`, printed);
      const result = await look(`${directory}/run`, `${directory}/printed`);
      assert.equal(result.code, code, result.text);
    });
  });
}
