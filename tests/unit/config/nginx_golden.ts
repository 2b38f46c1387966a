/**
 * Pairs of `nginx/NAME.conf` and `nginx/NAME.yaml`. The configuration stands at `/etc/nginx/nginx.conf`, the files
 * that it includes from there in the directory `nginx/NAME/`.
 *
 * @module
 */
import { convertNginx, type NginxConversion } from "../../../src/config/nginx_convert.ts";
import { expandPattern } from "../../../src/config/nginx_glob.ts";
import type { NginxFiles } from "../../../src/config/nginx_include.ts";

const DIRECTORY = new URL("./nginx/", import.meta.url);

/** Names of all pairs. */
export const GOLDEN_NAMES = [
  "documentation",
  "kubernetes",
  "mailu",
  "nested",
  "old",
  "torture",
  "zimbra",
] as const;
export type GoldenName = typeof GOLDEN_NAMES[number];

/** What the configuration is expected to become. */
export function goldenYaml(name: GoldenName): string {
  return Deno.readTextFileSync(new URL(`${name}.yaml`, DIRECTORY));
}

/** What it becomes. */
export function convertGolden(name: GoldenName): NginxConversion {
  const place = (path: string): URL => {
    if (path === "/etc/nginx/nginx.conf") return new URL(`${name}.conf`, DIRECTORY);
    return new URL(`.${path.replace(/^\/etc\/nginx/, `/${name}`)}`, DIRECTORY);
  };
  const files: NginxFiles = {
    readText: (path) => Deno.readTextFileSync(place(path)),
    glob: (pattern) => expandPattern(pattern, (directory) => namesIn(place(directory))),
  };
  return convertNginx({ file: "/etc/nginx/nginx.conf", files, prefix: "/usr/share/nginx" });
}

function namesIn(directory: URL): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
