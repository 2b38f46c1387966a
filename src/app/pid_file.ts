/** A file with the id of the process (nginx's `pid`). */
export interface PidFile {
  /** Removes it. */
  remove(): void;
}

/**
 * Writes the id of this process to `path`.
 * @throws {Error} in nginx's words when it cannot be written.
 */
export function writePidFile(path: string): PidFile {
  try {
    Deno.writeTextFileSync(path, `${Deno.pid}\n`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const [, reason, code] = /^(.*?) \(os error (\d+)\)/.exec(text) ?? [];
    throw new Error(`open() "${path}" failed (${code === undefined ? text : `${code}: ${reason}`})`, {
      cause: error,
    });
  }
  return {
    remove() {
      try {
        Deno.removeSync(path);
      } catch {
        // It is gone already: what was wanted.
      }
    },
  };
}
