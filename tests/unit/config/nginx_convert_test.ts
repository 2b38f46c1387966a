import { deepEqual, equal, throws } from "node:assert/strict";
import { selfSigned } from "../../../scripts/self_signed.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { convertNginx, type NginxConversion } from "../../../src/config/nginx_convert.ts";
import { errorLogTarget } from "../../../src/config/log_target.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import type { Config } from "../../../src/config/settings.ts";
import { convertGolden, GOLDEN_NAMES, goldenYaml } from "./nginx_golden.ts";

function convert(text: string): NginxConversion {
  const files = { readText: () => text, glob: () => [] };
  return convertNginx({ file: "/etc/nginx/nginx.conf", files, prefix: "/prefix/" });
}

/** Converts what stands in `mail {}`, a server on port 25 with `server` in it included. */
function convertMail(mail: string, server = ""): NginxConversion {
  return convert(`mail { auth_http a:1/; ${mail}\nserver { listen 25; ${server} } }`);
}

/** The lines of the YAML that set something, without those that every conversion has. */
function settings({ yaml }: NginxConversion): string[] {
  const constant = /^(?:mail|servers|compat: nginx|auth_http: a:1\/|xclient: nginx|- listen: 25)/;
  return yaml.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#") && !constant.test(line));
}

const { certificate, key } = await selfSigned(["mail.example.com"]);

/** Loads YAML; every file that it names holds a certificate, or its key where the name says so. */
function load(yaml: string): Config {
  const loaded = loadConfig(yaml, "/etc/postern/postern.yaml", {
    readText: (path) => /key/.test(path) ? key : certificate,
    hostname: () => "host.example.com",
  });
  if (!Array.isArray(loaded)) return loaded as Config;
  throw new Error(loaded.map(formatProblem).join("\n"));
}

for (const name of GOLDEN_NAMES) {
  Deno.test(`convertNginx(): ${name}.conf becomes ${name}.yaml`, () => {
    equal(convertGolden(name).yaml, goldenYaml(name));
  });

  Deno.test(`convertNginx(): ${name}.yaml is a good configuration, with a server for each that speaks SMTP`, () => {
    const yaml = goldenYaml(name);
    const [, servers = ""] = yaml.split("\n  servers:\n");
    equal(load(yaml).servers.length, servers.match(/^ {4}- /gm)?.length);
  });
}

const MEANINGS: readonly (readonly [mail: string, server: string, expected: readonly string[]])[] = [
  ["timeout 5m;", "timeout 1d;", [
    "timeout: 5m",
    "proxy_connect_timeout: 5m",
    "timeout: 1d",
    "proxy_connect_timeout: 1d",
  ]],
  ['timeout "1h 30m";', "", ["timeout: 1h30m", "proxy_connect_timeout: 1h30m"]],
  ["", "xclient OFF;", ["xclient: off"]],
  ["proxy_smtp_auth off;", "proxy_smtp_auth on;", [
    "proxy_smtp_auth: off",
    "proxy_smtp_auth: on",
    "proxy_smtp_auth_plaintext: on",
  ]],
  ["smtp_auth PLAIN; smtp_auth none;", "", ["smtp_auth: [plain, none]"]],
  ["smtp_capabilities A; smtp_capabilities B C;", 'smtp_capabilities "SIZE 1";', [
    "smtp_capabilities: [A, B, C]",
    'smtp_capabilities: ["SIZE 1"]',
  ]],
  ["ssl_protocols tlsv1.3;", "", ["ssl_protocols: [TLSv1.3]"]],
  ["proxy_protocol v2;", "proxy_protocol ON;", ["proxy_protocol: v2", "proxy_protocol: on"]],
  ["auth_http_header X-Y $host$remote_port;", "", ['auth_http_header: ["X-Y $host$remote_port"]']],
  ["max_errors 0;", "max_errors 20;", ["max_errors: 1", "max_errors: 20"]],
  ["auth_http b:2/; auth_http c:3/;", "", ["auth_http: c:3/"]],
  ["resolver 127.0.0.1 [::1]:5353 valid=30s;", "resolver off;", [
    'resolver: "127.0.0.1 [::1]:5353 valid=30s"',
    "resolver: off",
  ]],
  ["", "ssl_certificate x.pem; ssl_certificate_key /y/x.key;", [
    "ssl_certificate: /etc/nginx/x.pem",
    "ssl_certificate_key: /y/x.key",
  ]],
  ["ssl off;", "", ["ssl: off"]],
  ["server_name null;", "server_name 12.5;", ['server_name: "null"', "server_name: 12.5"]],
];

for (const [mail, server, expected] of MEANINGS) {
  Deno.test(`convertNginx(): "${mail}" and, in a server, "${server}" keep their meaning`, () => {
    const conversion = convertMail(mail, server);
    deepEqual(settings(conversion), expected);
    deepEqual(conversion.left_out, []);
  });
}

const LISTENERS: readonly (readonly [listen: string, expected: string | null, leftOut: number])[] = [
  ["0.0.0.0:465 ssl proxy_protocol backlog=1024", '"0.0.0.0:465 ssl proxy_protocol backlog=1024"', 0],
  ["127.0.0.1:25 bind reuseport so_keepalive=off ipv6only=on", '"127.0.0.1:25 bind reuseport"', 0],
  ["[::1]:25 ipv6only=on", '"[::1]:25"', 0],
  ["[::]:25 ipv6only=off", '"[::]:25 ipv6only=off"', 0],
  ["[::]:25", '"[::]:25"', 1],
  ["[0:0::0]:25 ipv6only=on", '"[0:0::0]:25"', 1],
  ["25 rcvbuf=32k sndbuf=32k so_keepalive=30m::10 multipath", "25", 4],
  ["25 fastopen=3 setfib=1 deferred default_server", "25", 4],
  ["127.0.0.1:2500-2503", "127.0.0.1:2500-2503", 0],
  ["127.0.0.1", "127.0.0.1:0", 0],
  ["[::1]", '"[::1]:0"', 0],
  ["unix:/run/smtp.sock", "unix:/run/smtp.sock", 0],
  ["unix:smtp.sock", null, 2],
  ["mail.example.com:25", null, 2],
];

for (const [listen, expected, leftOut] of LISTENERS) {
  Deno.test(`convertNginx(): "listen ${listen}" becomes ${expected}`, () => {
    const { yaml, left_out } = convert(
      `mail { auth_http a:1/; set_real_ip_from 10.0.0.1; server { protocol smtp; listen ${listen}; } }`,
    );
    equal(/^ +(?:- )?listen: (.*)/m.exec(yaml)?.[1] ?? null, expected);
    equal(left_out.length, leftOut);
  });
}

Deno.test("convertNginx(): [::] needs no word about IPv4 where another server has all of IPv4 on the port", () => {
  const { left_out } = convert(
    "mail { auth_http a:1/; server { listen [::]:25; listen [::]:587; } server { listen *:25; } }",
  );
  deepEqual(left_out.map(({ reason }) => reason), [
    "ipv6only=on: the runtime takes IPv4 on this listener too",
  ]);
});

const PROTOCOLS: readonly (readonly [server: string, smtp: boolean])[] = [
  ["listen 25;", true],
  ["listen 465;", true],
  ["listen 1.2.3.4:587;", true],
  ["listen 143;", false],
  ["listen [::1]:993;", false],
  ["listen 110;", false],
  ["listen 995;", false],
  ["listen 2525; listen 993; listen 25;", false],
  ["listen 25; protocol imap;", false],
  ["protocol smtp; listen 143;", true],
  ["protocol imap; listen 25; protocol smtp;", true],
];

for (const [server, smtp] of PROTOCOLS) {
  Deno.test(`convertNginx(): "${server}" is ${smtp ? "" : "not "}a server for SMTP`, () => {
    const { yaml, left_out } = convert(`mail { auth_http a:1/; server { ${server} timeout 1s; } }`);
    equal(yaml.includes("timeout: 1s"), smtp);
    deepEqual(left_out.map(({ directive }) => directive), smtp ? [] : ["server"]);
  });
}

const LEFT_OUT: readonly (readonly [mail: string, server: string, directive: string, reason: RegExp])[] = [
  ["imap_capabilities IMAP4rev1;", "", "imap_capabilities", /SMTP only/],
  ["", "pop3_something on;", "pop3_something", /SMTP only/],
  ["proxy_ssl on;", "", "proxy_ssl", /nginx's mail module does not have it/],
  ["", "proxy on;", "proxy", /no effect in nginx either/],
  [
    "error_log syslog:server=10.0.0.1 info;",
    "",
    "error_log",
    /a file or a stream, found "syslog:server=10.0.0.1"/,
  ],
  ["", "ssl_dhparam dh.pem;", "ssl_dhparam", /elliptic curves/],
  ["ssl_protocols SSLv3;", "", "ssl_protocols", /SSLv3 cannot be honoured/],
  ["ssl_session_cache builtin:1000 shared:SSL:10m;", "", "ssl_session_cache", /builtin:1000 shared:SSL:10m/],
  ["", "ssl_certificate data:PEM;", "ssl_certificate", /"data:"/],
  ["", "smtp_client_buffer 128;", "smtp_client_buffer", /512/],
  ["set_real_ip_from lb.example.com;", "", "set_real_ip_from", /the name "lb.example.com"/],
  ['auth_http_header "X Y" z;', "", "auth_http_header", /expected a header name, found "X Y"/],
  ["smtp_auth external;", "", "smtp_auth", /ssl_verify_client/],
  ["", "listen 127.0.0.1:26 proxy_protocol;", "listen", /add "set_real_ip_from ADDRESS;"/],
];

for (const [mail, server, directive, reason] of LEFT_OUT) {
  Deno.test(`convertNginx(): "${mail || server}" is left out and listed with the reason`, () => {
    const { yaml, left_out } = convertMail(mail, server);
    const [entry, ...more] = left_out;
    deepEqual([entry?.file, entry?.line, entry?.directive, more], [
      "/etc/nginx/nginx.conf",
      mail === "" || directive === "smtp_auth" ? 2 : 1,
      directive,
      [],
    ]);
    equal(reason.test(entry?.reason ?? ""), true, entry?.reason);
    equal(
      yaml.endsWith(`# Left out:\n#   ${entry?.file}:${entry?.line}: ${directive}: ${entry?.reason}\n`),
      true,
    );
    load(yaml);
  });
}

Deno.test("convertNginx() ends at an auth service that it cannot take over, as another one may be inherited", () => {
  const message =
    /^expected a URI of visible ASCII characters without a fragment in \/etc\/nginx\/nginx.conf:2$/;
  throws(() => convertMail("", "auth_http b:2/#x;"), { name: "NginxConfigError", message });
});

const FAULTS: readonly (readonly [text: string, message: string])[] = [
  ["events {}", 'no "mail" block in /etc/nginx/nginx.conf'],
  ["mail {}\nmail {}", '"mail" directive is duplicate in F:2'],
  ["mail x {}", 'invalid number of arguments in "mail" directive in F:1'],
  ["mail;", 'directive "mail" has no opening "{" in F:1'],
  ["mail {\n listen 25;\n}", '"listen" directive is not allowed here in F:2'],
  ["mail { protocol smtp; }", '"protocol" directive is not allowed here in F:1'],
  ["mail { server; }", 'directive "server" has no opening "{" in F:1'],
  ["mail { server { listen 25; server {} } }", '"server" directive is not allowed here in F:1'],
  ["mail {\nserver { }\n}", 'no "listen" is defined for server in F:2'],
  ["mail { server { listen 26; } }", "unknown mail protocol for server in F:1"],
  ["mail { server { listen 25; protocol SMTP; } }", 'unknown protocol "SMTP" in F:1'],
  ["mail { server { listen 25; } }", 'no "auth_http" is defined for server in F:1'],
  ["mail { server { listen 25 foo; } }", 'invalid parameter "foo" in F:1'],
  ["mail { server { listen 25 backlog=0; } }", 'invalid backlog "backlog=0" in F:1'],
  ["mail { server { listen 25 ipv6only=1; } }", 'invalid ipv6only flags "1" in F:1'],
  ["mail { server { listen a:99999; } }", 'invalid port in "a:99999" of the "listen" directive in F:1'],
  ["mail { server { listen a:b; } }", 'invalid port in "a:b" of the "listen" directive in F:1'],
  ["mail { server { listen :25; } }", 'no host in ":25" of the "listen" directive in F:1'],
  ["mail { server { listen 9-8; } }", 'invalid port range in "9-8" of the "listen" directive in F:1'],
  [
    "mail { server { listen unix:; } }",
    'no path in the unix domain socket in "unix:" of the "listen" directive in F:1',
  ],
  [
    "mail { server { listen 25; }\nserver { listen 0.0.0.0:25; } }",
    'duplicate "0.0.0.0:25" address and port pair in F:2',
  ],
  ["mail { timeout 1s; timeout 2s; }", '"timeout" directive is duplicate in F:1'],
  ["mail { timeout\n1s 2s\n; }", 'invalid number of arguments in "timeout" directive in F:3'],
  ["mail { timeout 1s {} }", 'directive "timeout" is not terminated by ";" in F:1'],
  ["mail { timeout sixty; }", '"timeout" directive invalid value in F:1'],
  ["mail { error_log; }", 'invalid number of arguments in "error_log" directive in F:1'],
  ["mail { error_log /a loud; }", 'invalid log level "loud" in F:1'],
  ["error_log /a loud; mail { error_log /b; }", 'invalid log level "loud" in F:1'],
  ["mail { proxy_buffer 4g; }", '"proxy_buffer" directive invalid value in F:1'],
  ["mail { max_errors -1; }", '"max_errors" directive invalid number in F:1'],
  [
    "mail { xclient maybe; }",
    'invalid value "maybe" in "xclient" directive, it must be "on" or "off" in F:1',
  ],
  ["mail { starttls maybe; }", 'invalid value "maybe" in F:1'],
  ["mail { proxy_protocol v1; }", 'invalid value "v1" in F:1'],
  ["mail { smtp_auth digest-md5; }", 'invalid value "digest-md5" in F:1'],
];

for (const [text, message] of FAULTS) {
  Deno.test(`convertNginx() refuses ${JSON.stringify(text)} as nginx does`, () => {
    const expected = message.replace(" in F:", " in /etc/nginx/nginx.conf:");
    throws(() => convert(text), { name: "NginxConfigError", message: expected });
  });
}

Deno.test("convertNginx(): comments at the end of a block stay there", () => {
  const { yaml } = convert("mail { auth_http a:1/;\n server { listen 25;\n # more?\n }\n # done\n}");
  equal(yaml.endsWith("\n    - listen: 25\n      # more?\n  # done\n"), true, yaml);
  load(yaml);
});

Deno.test("convertNginx(): comments between the values of a list stay between them", () => {
  const { yaml } = convertMail(
    "\n# office\n set_real_ip_from 10.0.0.1; # ours\n # cloud\n set_real_ip_from 10.0.0.2;\n timeout 1s;",
  );
  const lines = [
    "# office",
    "set_real_ip_from:",
    "  - 10.0.0.1 # ours",
    "  # cloud",
    "  - 10.0.0.2",
    "timeout: 1s",
  ];
  equal(yaml.includes(lines.map((line) => `  ${line}\n`).join("")), true, yaml);
  load(yaml);
});

const LOGS: readonly (readonly [
  main: string,
  mail: string,
  server: string,
  expected: readonly (readonly string[])[],
])[] = [
  ["", "", "", [[], []]],
  ["error_log /a;", "", "", [["/a error"], ["/a error"]]],
  ["error_log /a; error_log b/c warn;", "", "", [["/a error", "/prefix/b/c warn"], [
    "/a error",
    "/prefix/b/c warn",
  ]]],
  ["error_log /a;", "error_log /b debug_mail;", "", [["/b debug"], ["/b debug"]]],
  ["", "error_log stderr info;", "error_log /dev/stderr; error_log c;", [["stderr info"], [
    "stderr error",
    "/prefix/c error",
  ]]],
  ["", "error_log off;", "", [["/prefix/off error"], ["/prefix/off error"]]],
];

for (const [main, mail, server, expected] of LOGS) {
  Deno.test(`convertNginx(): "${main}" "${mail}" "${server}" log where nginx would`, () => {
    const text = `${main} mail { auth_http 127.0.0.1:1/; ${mail} server { listen 25; ${server} } }`;
    const config = load(convert(text).yaml);
    const found = [config.main.error_log, config.servers[0]!.error_log];
    deepEqual(found.map((logs) => logs.map(errorLogTarget.print)), expected);
  });
}

Deno.test("convertNginx(): a comment cannot break out of its line", () => {
  const { yaml } = convertMail("# a\u2028b\rc: d\n timeout 7s;");
  equal(yaml.includes("# a b c: d\n  timeout: 7s\n"), true);
  equal(load(yaml).servers[0]?.timeout, 7000);
});

Deno.test("convertNginx(): inherited and own values have the effect they have in nginx", () => {
  const [, , submission] = load(goldenYaml("mailu")).servers;
  deepEqual(submission?.auth_http_header, [{ name: "Auth-Port", value: "587" }, {
    name: "Client-Port",
    value: "$remote_port",
  }]);
  deepEqual([submission?.starttls, submission?.xclient, submission?.server_name], [
    "only",
    "nginx",
    "mx.example.org",
  ]);
  deepEqual(submission?.smtp_capabilities[1], "SIZE 50000000");
});

Deno.test("convertNginx() takes the number of workers over, and leaves out more than there can be", () => {
  const mail = "mail { auth_http a:1/; server { listen 25; } }";
  deepEqual(settings(convert(`worker_processes 8; ${mail}`)), ["worker_processes: 8"]);
  deepEqual(settings(convert(`worker_shutdown_timeout 30s; ${mail}`)), ["worker_shutdown_timeout: 30s"]);
  const { left_out } = convert(`worker_processes 128; ${mail}`);
  deepEqual(left_out.map(({ directive }) => directive), ["worker_processes"]);
});
