/** What reading a configuration needs of the system. */
export interface FileAccess {
  /**
   * The text of a file.
   * @throws {Error} when it cannot be read; `NotFound` and `PermissionDenied` are known by name.
   */
  readText(path: string): string;
  /** Name of this machine, for `server_name`. */
  hostname(): string;
}

/** What reading a file gave: its text, or why there is none. */
export type FileText = { readonly text: string } | { readonly fault: string };

/** Reads a file and puts what goes wrong into words. */
export function readFile(files: FileAccess, path: string): FileText {
  try {
    return { text: files.readText(path) };
  } catch (error) {
    return { fault: describeError(error) };
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "NotFound") return "no such file";
  if (error.name === "PermissionDenied") return "permission denied";
  return error.message;
}

/** The directory of a file as it was named, without the final `/`; `.` where the name has none. */
export function directoryOf(file: string): string {
  const slash = file.lastIndexOf("/");
  return slash === -1 ? "." : file.slice(0, slash);
}

/** A file name that starts at a directory, unless it is absolute. */
export function joinPath(directory: string, name: string): string {
  if (name.startsWith("/")) return name;
  const path = name.replace(/^(\.\/+)+/, "");
  return directory === "." ? path : `${directory}/${path}`;
}
