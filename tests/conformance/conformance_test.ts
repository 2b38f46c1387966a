import { readDialogueFiles } from "./dialogue_reader.ts";
import { installedNginx, nginxSubject } from "./nginx_subject.ts";
import { runFile } from "./runner.ts";
import type { Subject } from "./subject.ts";

const version = await installedNginx();
for (const file of readDialogueFiles()) {
  Deno.test(`nginx ${version} speaks as ${file.file} says`, async () => {
    const outcomes = await runFile(file, nginxSubject(version!) as Subject);
    const failed = outcomes.flatMap((outcome) => outcome.kind === "failed" ? [outcome.message] : []);
    if (failed.length > 0) {
      throw new Error(`${failed.length} of ${outcomes.length} dialogues failed\n\n${failed.join("\n\n")}`);
    }
  });
}
