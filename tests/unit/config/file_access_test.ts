import assert from "node:assert/strict";
import { directoryOf, type FileAccess, joinPath, readFile } from "../../../src/config/file_access.ts";

Deno.test("relative file names start at the directory of the configuration file", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["postern.yaml", "a.pem", "a.pem"],
    ["postern.yaml", "./a.pem", "a.pem"],
    ["conf/postern.yaml", "tls/a.pem", "conf/tls/a.pem"],
    ["/etc/postern/postern.yaml", "a.pem", "/etc/postern/a.pem"],
    ["/postern.yaml", "a.pem", "/a.pem"],
    ["/etc/postern/postern.yaml", "/a.pem", "/a.pem"],
  ];
  for (const [file, name, expected] of rows) {
    assert.equal(joinPath(directoryOf(file), name), expected, `${file} ${name}`);
  }
});

Deno.test("readFile() puts into words why a file cannot be read", () => {
  const failing = (error: unknown): FileAccess => ({
    readText() {
      throw error;
    },
    hostname: () => "x",
  });
  assert.deepEqual(readFile(failing(Object.assign(new Error("os error 2"), { name: "NotFound" })), "a"), {
    fault: "no such file",
  });
  assert.deepEqual(
    readFile(failing(Object.assign(new Error("os error 13"), { name: "PermissionDenied" })), "a"),
    { fault: "permission denied" },
  );
  assert.deepEqual(readFile(failing(new Error("Is a directory")), "a"), { fault: "Is a directory" });
  assert.deepEqual(readFile({ readText: (path) => `text of ${path}`, hostname: () => "x" }, "a"), {
    text: "text of a",
  });
});
