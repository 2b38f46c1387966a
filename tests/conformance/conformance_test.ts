/**
 * Every dialogue, against nginx where it is installed and against Postern.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { DialogueFile } from "./dialogue.ts";
import { readDialogueFiles, readDifferences } from "./dialogue_reader.ts";
import { installedNginx, NGINX_PACKAGES, nginxSubject } from "./nginx_subject.ts";
import { posternSubject } from "./postern_subject.ts";
import { runFile } from "./runner.ts";
import type { Subject } from "./subject.ts";

const version = await installedNginx();
const nginx = version === null ? null : nginxSubject(version);
const install = `apt-get install ${NGINX_PACKAGES}`;
const required = Deno.env.get("POSTERN_REQUIRE_PEERS") === "1";

const files = readDialogueFiles();

for (const file of files) {
  Deno.test({
    name: `nginx speaks as ${file.file} says${nginx === null ? ` (${install})` : ""}`,
    ignore: nginx === null && !required,
    fn: () => passes(file, nginx ?? assert.fail(install)),
  });
  Deno.test(`Postern speaks as ${file.file} says`, () => passes(file, posternSubject("postern")));
  Deno.test(`Postern with compat nginx speaks as ${file.file} says`, () =>
    passes(file, posternSubject("compat")));
}

Deno.test("every difference from nginx is shown by a dialogue", () => {
  const shown = new Set(files.flatMap(({ dialogues }) => dialogues.map(({ difference }) => difference)));
  assert.deepEqual(readDifferences().map(({ id }) => id).filter((id) => !shown.has(id)), []);
});

async function passes(file: DialogueFile, subject: Subject): Promise<void> {
  const outcomes = await runFile(file, subject);
  const failures = outcomes.flatMap((outcome) => outcome.kind === "failed" ? [outcome.message] : []);
  assert.equal(
    failures.length,
    0,
    `${failures.length} of ${outcomes.length} failed\n\n${failures.join("\n\n")}`,
  );
}
