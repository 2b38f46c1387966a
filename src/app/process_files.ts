import type { Log } from "../ports/telemetry.ts";
import { controlPath, ControlSocket } from "./control_socket.ts";
import { type PidFile, removeQuietly, writePidFile } from "./pid_file.ts";
import type { ReloadOutcome } from "./reloads.ts";

/** The files by which others find this process: the pid file, and the control socket beside it. */
export class ProcessFiles {
  readonly #path: string;
  readonly #pid: PidFile;
  readonly #control: ControlSocket | null;

  /**
   * Writes the pid file and opens the control socket; where that cannot be, signals still work. `file` is the
   * configuration that `reload` reads.
   * @throws {Error} in nginx's words when the pid file cannot be written.
   */
  constructor(path: string, file: string, reload: () => Promise<ReloadOutcome>, log: Log) {
    this.#path = path;
    this.#pid = writePidFile(path);
    this.#control = openControl(path, file, reload, log);
  }

  /** Removes what is still of this process: another one may have taken over. */
  remove(): void {
    this.#control?.close();
    if (this.#pid.own) removeQuietly(controlPath(this.#path));
    this.#pid.remove();
  }
}

function openControl(
  path: string,
  file: string,
  reload: () => Promise<ReloadOutcome>,
  log: Log,
): ControlSocket | null {
  try {
    return new ControlSocket(path, file, reload);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `"postern reload" will not find this process: ${reason}`;
    log.event("warn", "control_failed", message, null, { path: controlPath(path) });
    return null;
  }
}
