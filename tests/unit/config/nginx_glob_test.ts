import { deepEqual } from "node:assert/strict";
import { expandPattern } from "../../../src/config/nginx_glob.ts";

const TREE: Readonly<Record<string, readonly string[]>> = {
  "/": ["etc"],
  "/etc": ["a.conf", "b.conf", "c.txt", ".hidden.conf", "d", "e", "[x].conf", "a+b"],
  "/etc/d": ["mail.conf", "web.conf"],
  "/etc/e": ["mail.conf"],
};

const PATTERNS: readonly (readonly [pattern: string, expected: readonly string[]])[] = [
  ["/etc/*.conf", ["/etc/[x].conf", "/etc/a.conf", "/etc/b.conf"]],
  ["/etc/?.conf", ["/etc/a.conf", "/etc/b.conf"]],
  ["/etc/[ab].conf", ["/etc/a.conf", "/etc/b.conf"]],
  ["/etc/[!a].conf", ["/etc/b.conf"]],
  ["/etc/[^a-z].conf", []],
  ["/etc/[a-c].*", ["/etc/a.conf", "/etc/b.conf", "/etc/c.txt"]],
  ["/etc/[c-a].*", []],
  ["/etc/\\[x].conf*", ["/etc/[x].conf"]],
  ["/etc/.*.conf", ["/etc/.hidden.conf"]],
  ["/etc/a+*", ["/etc/a+b"]],
  ["/etc/*/mail.conf", ["/etc/d/mail.conf", "/etc/e/mail.conf"]],
  ["/*/d/*", ["/etc/d/mail.conf", "/etc/d/web.conf"]],
  ["/nowhere/*.conf", []],
  ["/etc/*.none", []],
  ["/nowhere/plain.conf", ["/nowhere/plain.conf"]],
];

for (const [pattern, expected] of PATTERNS) {
  Deno.test(`expandPattern() takes ${pattern} as glob(3) does`, () => {
    deepEqual(expandPattern(pattern, (directory) => TREE[directory] ?? []), expected);
  });
}
