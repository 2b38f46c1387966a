import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { within } from "../support/patience.ts";
import { withTempDir } from "../support/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function interrupt(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGINT");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended
  }
}

Deno.test("the demo sends its message, and a Ctrl-C that comes many times leaves nothing behind", async () => {
  await withTempDir(async (directory) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "--import-map=scripts/npm_imports.json", "scripts/demo.ts"],
      cwd: ROOT,
      env: { TMPDIR: directory, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let said = "";
    let again: ReturnType<typeof setInterval> | undefined;
    const run = async () => {
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
        const wasUp = said.includes("as it happens.\n");
        said += text;
        if (wasUp || !said.includes("as it happens.\n")) continue;
        again = setInterval(() => interrupt(child), 1);
      }
      clearInterval(again); // its output has ended, so it is about to
      await child.status;
    };
    await within(run(), () => said, {
      ms: 60_000,
      giveUp: () => child.kill("SIGKILL"),
    });
    assert.match(said, /\nThe demo has ended; nothing was left behind\.\n$/);
    assert.match(said, /^ *auth \| Auth-Status: OK$/m);
    assert.match(said, /^mail server \| 250 2\.0\.0 Accepted/m);
    assert.match(said, /^ *try \| swaks --server 127\.0\.0\.1:\d+ --tls --auth PLAIN /m);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), []);
  });
});
