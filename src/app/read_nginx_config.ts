/**
 * Reads an nginx configuration from the file system, for the commands.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { convertNginx, type LeftOut, type NginxConversion } from "../config/nginx_convert.ts";
import { expandPattern } from "../config/nginx_glob.ts";
import { directoryOf, type NginxFiles } from "../config/nginx_include.ts";
import { diskFiles } from "./disk_files.ts";

/**
 * Reads an nginx configuration from disk. With a prefix, a relative `file` begins there, as with `nginx -p -c`, or
 * else in the current directory; without one, the prefix is the directory of the file.
 * @throws {NginxConfigError} where nginx would not start.
 */
export function readNginxConfig(file: string, prefix: string | null): NginxConversion {
  const path = locateNginxConfig(file, prefix);
  return convertNginx({
    file: path,
    files: nginxFiles,
    prefix: prefix === null ? directoryOf(path) : resolve(prefix),
  });
}

/** What was left out, one line each. */
export function formatLeftOut(leftOut: readonly LeftOut[]): string {
  return leftOut.map(({ file, line, directive, reason }) => `${file}:${line}: ${directive}: ${reason}\n`)
    .join("");
}

/** The absolute name of the file that {@linkcode readNginxConfig} reads. */
export function locateNginxConfig(file: string, prefix: string | null): string {
  if (prefix === null || isAbsolute(file)) return resolve(file);
  const under = resolve(prefix, file);
  return existsSync(under) ? under : resolve(file);
}

const nginxFiles: NginxFiles = {
  readText: (path) => diskFiles.readText(path),
  glob: (pattern) => expandPattern(pattern, namesIn),
};

function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name);
  } catch {
    // A directory that is missing or closed to us has no files that match, as for glob(3).
    return [];
  }
}
