import assert from "node:assert/strict";
import { writePidFile } from "../../../src/app/pid_file.ts";
import { withTempDir } from "../../support/temp_dir.ts";

Deno.test("writePidFile() writes the id of the process and removes it again", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/postern.pid`;
    await Deno.writeTextFile(path, "a longer text that is left from another process\n");
    const file = writePidFile(path);
    assert.equal(await Deno.readTextFile(path), `${Deno.pid}\n`);
    file.remove();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    file.remove();
  });
});

Deno.test("writePidFile() says in nginx's words why it cannot", () => {
  assert.throws(() => writePidFile("/nonexistent/postern.pid"), {
    message: 'open() "/nonexistent/postern.pid" failed (2: No such file or directory)',
  });
});
