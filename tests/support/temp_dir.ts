/** Runs `body` with a new directory and removes it afterwards. */
export async function withTempDir<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "postern_" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Writes `files` (name to content) into `directory` and answers their absolute paths by name. */
export async function writeFiles<Name extends string>(
  directory: string,
  files: Readonly<Record<Name, string>>,
): Promise<Record<Name, string>> {
  const paths = {} as Record<Name, string>;
  for (const name of Object.keys(files) as Name[]) {
    paths[name] = `${directory}/${name}`;
    await Deno.writeTextFile(paths[name], files[name]);
  }
  return paths;
}
