/**
 * Looks through the output of a whole test run for the passwords that were used in it.
 *
 *     POSTERN_RUN_OUTPUT=DIRECTORY deno task test | tee FILE
 *     deno run --allow-read scripts/find_secrets.ts DIRECTORY [FILE...]
 *
 * The tests have written there what every Postern process printed and logged, and what the scripted peers said; `FILE`
 * is what the run itself printed. Exits with 1 when anything is found, or when there is nothing to look through.
 *
 * @module
 */

/** A word of this form stands in names of tests as well: in what the run printed it is no finding. */
const WORD = /^[a-z]{1,12}$/i;

/** What is secret and stands in `text`. */
export function found(text: string, secrets: Iterable<string>): string[] {
  return [...secrets].filter((secret) => text.includes(secret));
}

async function readAll(directory: string, suffix: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name } of Deno.readDir(directory)) {
    if (name.endsWith(suffix)) texts.push(await Deno.readTextFile(`${directory}/${name}`));
  }
  return texts;
}

if (import.meta.main) {
  const [directory, ...files] = Deno.args;
  if (directory === undefined) {
    console.error("usage: find_secrets.ts DIRECTORY [FILE...]");
    Deno.exit(2);
  }
  const secrets = new Set(
    (await readAll(directory, ".secrets")).flatMap((text) => JSON.parse(text) as string[]),
  );
  const outputs = await readAll(directory, ".output");
  let findings = 0;
  for (const output of outputs) {
    for (const secret of found(output, secrets)) {
      findings++;
      console.error(`a Postern process wrote ${JSON.stringify(secret)}`);
    }
  }
  for (const file of files) {
    const unlike = [...secrets].filter((secret) => !WORD.test(secret));
    for (const secret of found(await Deno.readTextFile(file), unlike)) {
      findings++;
      console.error(`${file} has ${JSON.stringify(secret)}`);
    }
  }
  const octets = outputs.reduce((sum, { length }) => sum + length, 0);
  console.error(
    `secrets: ${findings} of ${secrets.size} forms found in ${outputs.length} outputs (${octets} characters)`,
  );
  if (findings > 0 || secrets.size === 0 || octets === 0) Deno.exit(1);
}
