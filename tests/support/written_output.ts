/**
 * What a process wrote, for whoever looks through it afterwards.
 *
 * @module
 */

/** Files of a directory that were not there when a process started. */
export class WrittenFiles {
  readonly #directory: string;
  readonly #before: ReadonlySet<string>;

  private constructor(directory: string, before: ReadonlySet<string>) {
    this.#directory = directory;
    this.#before = before;
  }

  /** Remembers what stands in the directory of `file` and below. */
  static async beside(file: string): Promise<WrittenFiles> {
    const directory = file.slice(0, Math.max(0, file.lastIndexOf("/")));
    return new WrittenFiles(directory, new Set(await filesBelow(directory)));
  }

  /** Texts of the files that have come since. */
  async texts(): Promise<string[]> {
    const come = (await filesBelow(this.#directory)).filter((path) => !this.#before.has(path));
    return await Promise.all(come.map((path) => Deno.readTextFile(path)));
  }
}

async function filesBelow(directory: string): Promise<string[]> {
  const found: string[] = [];
  // A test may have removed it, and a configuration without a directory has no log files of a test's.
  if (directory === "" || await Deno.stat(directory).catch(() => null) === null) return found;
  for await (const { name, isFile, isDirectory } of Deno.readDir(directory)) {
    if (isFile) found.push(`${directory}/${name}`);
    else if (isDirectory) found.push(...await filesBelow(`${directory}/${name}`));
  }
  return found;
}

/**
 * Where `POSTERN_RUN_OUTPUT` names a directory, keeps what a process wrote and what must not stand in the output of
 * the whole run, for `scripts/find_secrets.ts`.
 */
export async function keepOutput(output: string, secrets: readonly string[]): Promise<void> {
  const directory = Deno.env.get("POSTERN_RUN_OUTPUT");
  if (directory === undefined || directory === "") return;
  const name = `${directory}/${crypto.randomUUID()}`;
  await Deno.writeTextFile(`${name}.output`, output);
  await Deno.writeTextFile(`${name}.secrets`, JSON.stringify(secrets));
}
