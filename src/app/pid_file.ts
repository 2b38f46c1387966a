/** A file with the id of the process (nginx's `pid`). */
export interface PidFile {
  /** Whether it is still of this process: one that takes over writes its own id. */
  readonly own: boolean;
  /** Removes it, if it is of this process. */
  remove(): void;
}

/**
 * Writes the id of this process to `path`.
 * @throws {Error} in nginx's words when it cannot be written.
 */
export function writePidFile(path: string): PidFile {
  const text = `${Deno.pid}\n`;
  try {
    Deno.writeTextFileSync(path, text);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const [, reason, code] = /^(.*?) \(os error (\d+)\)/.exec(text) ?? [];
    throw new Error(`open() "${path}" failed (${code === undefined ? text : `${code}: ${reason}`})`, {
      cause: error,
    });
  }
  return {
    get own() {
      return readQuietly(path) === text;
    },
    remove() {
      if (this.own) removeQuietly(path);
    },
  };
}

/** Removes a file that may be gone already. */
export function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It is gone already: what was wanted.
  }
}

function readQuietly(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}
