/** What reading a file gave. */
export type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "denied" }
  | { readonly kind: "failed"; readonly reason: string };

/** What reading a configuration needs of the system. */
export interface FileAccess {
  /** The text of a file. Never throws. */
  readText(path: string): FileText;
  /** Name of this machine, for `server_name`. */
  hostname(): string;
  /** Absolute path from which relative paths on the command line start. */
  workingDirectory(): string;
}

/** Joins a path to the directory it starts from, without `.` and `..` where they can be resolved. */
export function joinPath(directory: string, path: string): string {
  const joined = path.startsWith("/") ? path : `${directory}/${path}`;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The directory that a file, as named on the command line, lies in, as an absolute path. */
export function directoryOf(file: string, workingDirectory: string): string {
  return joinPath(workingDirectory, `${file}/..`);
}
