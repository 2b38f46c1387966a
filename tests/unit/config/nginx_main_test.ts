import { deepEqual, throws } from "node:assert/strict";
import { readMainContext } from "../../../src/config/nginx_main.ts";
import { parseNginx } from "../../../src/config/nginx_parser.ts";

function read(main: string, mail = "") {
  return readMainContext(
    parseNginx(main, "f").directives,
    parseNginx(mail, "f").directives,
    "/usr/share/nginx",
  );
}

Deno.test("readMainContext(): what is not given is null or empty", () => {
  deepEqual(read("events {}"), { pid: null, error_log: [], daemon: null, worker_processes: null, user: [] });
});

Deno.test("readMainContext(): relative names begin at the prefix", () => {
  const main = read(
    "pid run/p.pid; error_log logs/e.log; error_log stderr info; error_log syslog:server=a debug_mail;",
  );
  deepEqual([main.pid, main.error_log], ["/usr/share/nginx/run/p.pid", [
    { target: "/usr/share/nginx/logs/e.log", level: "error" },
    { target: "stderr", level: "info" },
    { target: "syslog:server=a", level: "debug_mail" },
  ]]);
});

Deno.test("readMainContext(): an error_log in mail replaces those of the main context", () => {
  deepEqual(read("error_log /a; error_log /b;", "error_log /c warn;").error_log, [{
    target: "/c",
    level: "warn",
  }]);
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
  ["error_log;", 'invalid number of arguments in "error_log" directive in f:1'],
  ["error_log /a loud;", 'invalid log level "loud" in f:1'],
];

for (const [text, message] of FAULTS) {
  Deno.test(`readMainContext() refuses ${JSON.stringify(text)} as nginx does`, () => {
    throws(() => read(text), { name: "NginxConfigError", message });
  });
}
