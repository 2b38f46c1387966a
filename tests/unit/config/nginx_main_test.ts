import { deepEqual, throws } from "node:assert/strict";
import { readMainContext } from "../../../src/config/nginx_main.ts";
import { parseNginx } from "../../../src/config/nginx_parser.ts";

function read(main: string) {
  return readMainContext(parseNginx(main, "f").directives, "/usr/share/nginx");
}

Deno.test("readMainContext(): what is not given is null or empty", () => {
  deepEqual(read("events {}"), { pid: null, daemon: null, worker_processes: null, user: [] });
});

Deno.test("readMainContext(): relative names begin at the prefix", () => {
  deepEqual(read("pid run/p.pid;").pid, "/usr/share/nginx/run/p.pid");
});

Deno.test("readMainContext(): daemon, worker_processes and user are as they stand", () => {
  const { daemon, worker_processes, user } = read("daemon OFF; worker_processes auto; user a b;");
  deepEqual([daemon, worker_processes, user], [false, "auto", ["a", "b"]]);
});

const FAULTS: readonly (readonly [text: string, message: string])[] = [
  ["pid a;\npid b;", '"pid" directive is duplicate in f:2'],
  ["pid;", 'invalid number of arguments in "pid" directive in f:1'],
  ["user a b c;", 'invalid number of arguments in "user" directive in f:1'],
  ["daemon maybe;", 'invalid value "maybe" in "daemon" directive, it must be "on" or "off" in f:1'],
];

for (const [text, message] of FAULTS) {
  Deno.test(`readMainContext() refuses ${JSON.stringify(text)} as nginx does`, () => {
    throws(() => read(text), { name: "NginxConfigError", message });
  });
}
