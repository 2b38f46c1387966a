/**
 * The processes that the bench has started, so that none outlives it.
 *
 * @module
 */

/** How long a process may take to end by itself, milliseconds. */
const END_MS = 5000;

/** Options of {@linkcode Processes.spawn}. */
export interface SpawnOptions {
  readonly stdin?: "piped" | "null";
  readonly stdout?: "piped" | "null";
  readonly cwd?: string;
}

/** All processes that run. What they write to standard error is shown: a good run has nothing there. */
export class Processes {
  readonly #running = new Set<Deno.ChildProcess>();
  #ending = false;

  /** @throws {Error} after {@linkcode endAll}. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): Deno.ChildProcess {
    if (this.#ending) throw new Error("The bench is ending");
    const child = new Deno.Command(program, {
      args: [...args],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { NO_COLOR: "1" },
      stdin: options.stdin ?? "null",
      stdout: options.stdout ?? "null",
      stderr: "inherit",
    }).spawn();
    this.#running.add(child);
    child.status.then(() => this.#running.delete(child));
    return child;
  }

  /** Ends a process: it is asked first, and killed when it does not obey in time. */
  async end(child: Deno.ChildProcess): Promise<void> {
    if (!this.#running.has(child)) return;
    signal(child, "SIGTERM");
    const late = setTimeout(() => signal(child, "SIGKILL"), END_MS);
    await child.status;
    clearTimeout(late);
  }

  /** Ends all that still run, and lets none begin. */
  async endAll(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#running].map((child) => this.end(child)));
  }
}

function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // It has ended in the meantime.
  }
}

/**
 * Waits until `promise` settles.
 * @throws {Error} that names `what` after `ms` milliseconds.
 */
export async function within<T>(promise: Promise<T>, what: string, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
