import { hostname } from "node:os";
import type { FileAccess } from "../config/load.ts";

/** The file system and the host, as the configuration reads them. */
export const diskFiles: FileAccess = {
  readText: (path) => Deno.readTextFileSync(path),
  hostname: () => hostname().toLowerCase(),
};
