/**
 * Where log lines go.
 *
 * @module
 */

/** A destination of octets. One call at a time. */
export interface LogSink {
  /** Takes some of `octets`, at least one, and tells how many. Rejects when nothing can be written. */
  write(octets: Uint8Array): Promise<number>;
  /** Opens the destination again under its name. Rejects, and keeps what is open, when that fails. */
  reopen(): Promise<void>;
  /** Releases the destination. */
  close(): void;
}

/** The standard streams are not ours to open or to close. */
export function openStream(stream: "stdout" | "stderr"): LogSink {
  const target = stream === "stdout" ? Deno.stdout : Deno.stderr;
  return {
    write: (octets) => target.write(octets),
    reopen: () => Promise.resolve(),
    close: () => {},
  };
}

/**
 * Opens the file `path` for appending, made with mode 0640 when it is not there: log lines name people.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when it cannot be opened.
 */
export function openFile(path: string): LogSink {
  const options: Deno.OpenOptions = { append: true, create: true, mode: 0o640 };
  let file = Deno.openSync(path, options);
  return {
    write: (octets) => file.write(octets),
    reopen: async () => {
      const next = await Deno.open(path, options);
      file.close();
      file = next;
    },
    close: () => file.close(),
  };
}
