import assert from "node:assert/strict";
import { loadConfig } from "../../../src/config/load.ts";
import { loadBad, loadGood } from "./reading.ts";

const BASIC = "mail:\n  auth_http: 127.0.0.1:9000\n  servers:\n    - listen: 25\n";

Deno.test("loadConfig() gives nginx's defaults where nothing else is said", () => {
  const { main, servers: [server] } = loadGood(BASIC);
  assert.deepEqual(main, {
    log: { to: { kind: "stderr" }, level: "info" },
    limit_store: { kind: "memory" },
    limit_store_password_file: null,
    limit_store_timeout: 500,
    limit_store_failure: "open",
    limit_store_ssl_trusted_certificate: null,
    worker_processes: "auto",
    worker_shutdown_timeout: null,
    pid: null,
    admin_listen: null,
    admin_token_file: null,
    hold_timeout: 60_000,
    error_log: [],
  });
  assert.deepEqual(server, {
    listen: [{
      address: { kind: "tcp", host: "0.0.0.0", port: 25 },
      text: "0.0.0.0:25",
      ssl: false,
      proxy_protocol: false,
      backlog: 511,
      reuseport: false,
    }],
    server_name: "box.example",
    compat: "off",
    error_log: [],
    access_log: [{ to: { kind: "stderr" }, format: "json" }],
    timeout: 60_000,
    session_timeout: 600_000,
    max_errors: 5,
    resolver: null,
    resolver_timeout: 30_000,
    set_real_ip_from: [],
    access: [],
    limit_conn: [],
    limit_req: [],
    limit_login: [{
      by: "client",
      delay: 10,
      refuse: null,
      ban: null,
      forget: 300_000,
      ban_time: 900_000,
      ban_max: 86_400_000,
      zone: "",
    }],
    limit_exempt: [],
    limit_ipv4_prefix: 32,
    limit_ipv6_prefix: 64,
    auth_http: [{
      scheme: "http",
      address: { kind: "tcp", host: "127.0.0.1", port: 9000 },
      host: "127.0.0.1",
      uri: "/",
      max_fails: null,
      fail_timeout: 10_000,
    }],
    auth_http_header: [],
    auth_http_timeout: 60_000,
    auth_http_next_upstream_timeout: 0,
    auth_http_cache: null,
    auth_http_pass_client_cert: false,
    auth_http_keepalive: 32,
    auth_http_ssl_verify: true,
    auth_http_ssl_name: null,
    auth_http_ssl_trusted_certificate: null,
    users: null,
    smtp_auth: ["login", "plain"],
    smtp_capabilities: [],
    smtp_client_buffer: 4096,
    smtp_greeting_delay: 0,
    max_commands: 1000,
    smtp_reject_unauth_pipelining: "auto",
    ssl_handshake_timeout: 60_000,
    ssl_max_handshakes: 1024,
    smtp_guard: true,
    smtp_bare_newline: "reject",
    smtp_nul: "reject",
    smtp_long_line: "pass",
    smtp_max_message_size: null,
    smtp_max_recipients: null,
    smtp_max_messages: null,
    smtp_data_timeout: 300_000,
    smtp_min_data_rate: 500,
    proxy_buffer: 4096,
    proxy_connect_timeout: 60_000,
    proxy_timeout: 86_400_000,
    proxy_pass_error_message: false,
    xclient: "on",
    proxy_smtp_auth: false,
    proxy_smtp_auth_plaintext: false,
    proxy_protocol: "off",
    proxy_ssl: "off",
    proxy_ssl_verify: true,
    proxy_ssl_name: null,
    proxy_ssl_trusted_certificate: null,
    proxy_ssl_certificate: null,
    proxy_ssl_certificate_key: null,
    proxy_bind: null,
    proxy_next_upstream: true,
    proxy_next_upstream_tries: 0,
    proxy_next_upstream_timeout: 0,
    proxy_fail_timeout: 10_000,
    starttls: "off",
    ssl_certificates: [],
    ssl_certificate_watch: 10_000,
    ssl_password_file: null,
    ssl_protocols: ["TLSv1.2", "TLSv1.3"],
    ssl_ciphers: null,
    ssl_prefer_server_ciphers: false,
    ssl_session_timeout: 43_200_000,
    ssl_session_tickets: true,
    ssl_verify_client: "off",
    ssl_verify_depth: 1,
    ssl_client_certificate: null,
    ssl_trusted_certificate: null,
    ssl_crl: null,
  });
});

Deno.test("loadConfig() lets a server's value replace that of mail entirely", () => {
  const { servers } = loadGood(`mail:
  auth_http: 127.0.0.1:9000
  timeout: 2m
  smtp_auth: [plain, login, none]
  smtp_capabilities: [PIPELINING, SIZE 10]
  auth_http_header: [X-A 1, X-B 2]
  resolver: 127.0.0.1
  servers:
    - listen: 25
    - listen: 26
      timeout: 3m
      smtp_auth: login
      smtp_capabilities: []
      auth_http_header: {X-C: 3}
      resolver: off
`);
  const [first, second] = servers;
  assert.deepEqual([first?.timeout, second?.timeout], [120_000, 180_000]);
  assert.deepEqual([first?.smtp_auth, second?.smtp_auth], [["plain", "login", "none"], ["login"]]);
  assert.deepEqual([first?.smtp_capabilities, second?.smtp_capabilities], [["PIPELINING", "SIZE 10"], []]);
  assert.deepEqual(first?.auth_http_header.map(({ name }) => name), ["X-A", "X-B"]);
  assert.deepEqual(second?.auth_http_header, [{ name: "X-C", value: "3" }]);
  assert.deepEqual([first?.resolver?.servers.length, second?.resolver], [1, null]);
});

Deno.test("loadConfig() takes any word behind a $ in auth_http_header where nginx's way holds", () => {
  const text = (mail: string, server: string) =>
    `mail:\n  auth_http: h\n${mail}  servers:\n    - listen: 25\n${server}      auth_http_header: [X-Key pa$word]\n`;
  for (const good of [text("", "      compat: nginx\n"), text("  compat: NGINX\n", "")]) {
    assert.deepEqual(loadGood(good).servers[0]?.auth_http_header, [{ name: "X-Key", value: "pa$word" }]);
  }
  for (const bad of [text("", ""), text("  compat: nginx\n", "      compat: off\n")]) {
    assert.match(loadBad(bad).join(), /the value of "X-Key" has an unknown variable/);
  }
});

Deno.test("loadConfig() gives settings that nobody can change", () => {
  const config = loadGood(BASIC);
  const seen = new Set<object>();
  (function visit(value: unknown): void {
    if (typeof value !== "object" || value === null || seen.has(value) || ArrayBuffer.isView(value)) return;
    seen.add(value);
    assert.ok(Object.isFrozen(value), JSON.stringify(value));
    Object.values(value).forEach(visit);
  })(config);
  assert.ok(seen.size > 10);
});

Deno.test("loadConfig() freezes settings around address ranges, whose octets cannot be frozen", () => {
  const config = loadGood(BASIC.replace("auth_http", "set_real_ip_from: 10.0.0.0/8\n  auth_http"));
  assert.ok(Object.isFrozen(config.servers[0]?.set_real_ip_from[0]));
});

Deno.test('loadConfig() lets "ssl: on" hold for all listeners of a server', () => {
  const problems = loadBad(`mail:
  auth_http: 127.0.0.1:9000
  servers:
    - listen: ["465", "466"]
      ssl: on
`);
  assert.deepEqual(problems, [
    'postern.yaml:4:15: mail.servers[0].listen: no "ssl_certificate" is defined for the "listen ... ssl" directive',
  ]);
});

Deno.test("loadConfig() refuses a document without mail or servers", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["", /^postern\.yaml:1:1: expected a map with the key "mail", found nothing$/],
    ["- a", /^postern\.yaml:1:1: expected a map with the key "mail", found a list$/],
    ["mail:", /^postern\.yaml:1:1: mail: expected a map of directives under "mail"$/],
    ["mial: {}", /^postern\.yaml:1:1: mial: unknown key "mial": did you mean "mail"\?$/],
    ["{}", /^postern\.yaml:1:1: "mail" is missing/],
    ["mail: {timeout: 1s}", /mail: "servers" is missing/],
    ["mail: {servers: []}", /mail\.servers: expected a list of servers/],
    ["mail: {servers: {listen: 25}}", /mail\.servers: expected a list of servers/],
    ["mail: {servers: [25]}", /mail\.servers\[0\]: expected a map of directives, found "25"/],
  ];
  for (const [text, expected] of rows) assert.match(loadBad(text)[0] ?? "", expected, text);
});

Deno.test("a SIZE that no client understands, and that would be no limit, is refused", () => {
  const problems = loadBad(
    BASIC.replace("mail:\n", 'mail:\n  smtp_capabilities: [PIPELINING, "SIZE 10m"]\n'),
  );
  assert.match(problems.join(), /smtp_capabilities\[1\]: expected SIZE with octets .*, found "SIZE 10m"$/);
});

Deno.test("loadConfig() tells a directive at the wrong level from one that nobody knows", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["  listen: 25\n", /mail\.listen: "listen" is not allowed here: it belongs under an entry of "servers"/],
    ["  timout: 5s\n", /mail\.timout: unknown directive "timout": did you mean "timeout"\?/],
    ["  server: []\n", /mail\.server: unknown directive "server": did you mean "servers"\?/],
    ["  banana: 5s\n", /mail\.banana: unknown directive "banana": the reference/],
    ["  constructor: x\n", /mail\.constructor: unknown directive "constructor"/],
    ["  ssl_dhparam: x\n", /"ssl_dhparam" is a directive of nginx that Postern does not have: .*rustls/],
    [
      "  limit_req_status: 429\n",
      /"limit_req_status" is a directive of nginx .* what a limit says and logs is fixed/,
    ],
    ["  pop3_auth: x\n", /"pop3_auth" is a directive of nginx .* Postern speaks SMTP only/],
    ["  imap_something: x\n", /"imap_something" is a directive of nginx .* Postern speaks SMTP only/],
  ];
  for (const [line, expected] of rows) {
    assert.match(loadBad(BASIC.replace("mail:\n", `mail:\n${line}`)).join("\n"), expected, line);
  }
  assert.match(
    loadBad(`${BASIC}      log: off\n`).join(),
    /"log" is not allowed here: it belongs under "mail"/,
  );
  assert.match(
    loadBad(`${BASIC}      protocol: imap\n`).join(),
    /protocol: expected one of "smtp", found "imap"/,
  );
  loadGood(`${BASIC}      protocol: smtp\n`);
});

Deno.test("loadConfig() reports a problem of a shared value once, and where it stands", () => {
  const problems = loadBad(
    `${BASIC.replace("auth_http:", "ssl_crl: crl.pem\n  auth_http:")}    - listen: 26\n`,
  );
  assert.deepEqual(problems, ['postern.yaml:2:12: mail.ssl_crl: cannot read "crl.pem": no such file']);
});

Deno.test("loadConfig() asks for server_name where the system's name is no name for SMTP", () => {
  const files = { readText: () => "", hostname: () => "my box" };
  const bad = loadConfig(BASIC, "postern.yaml", files);
  assert.ok(Array.isArray(bad));
  assert.match(bad[0]?.message ?? "", /the system's host name is "my box".*set "server_name"/);
  const named = loadConfig(
    BASIC.replace("mail:\n", "mail:\n  server_name: mx.example\n"),
    "postern.yaml",
    files,
  );
  assert.ok(!Array.isArray(named));
});

Deno.test("loadConfig(): the error_log of a server replaces that of mail, which holds for the process too", () => {
  const { main, servers } = loadGood(`mail:
  auth_http: 127.0.0.1:9000
  error_log: [mail.log, stderr crit]
  servers:
    - { listen: 25 }
    - { listen: 26, error_log: /var/log/submission.log info }
    - { listen: 27, error_log: [] }
`);
  const inherited = [
    { to: { kind: "file", path: "mail.log" }, level: "error" },
    { to: { kind: "stderr" }, level: "crit" },
  ];
  assert.deepEqual([main, ...servers].map((level) => level.error_log), [
    inherited,
    inherited,
    [{ to: { kind: "file", path: "/var/log/submission.log" }, level: "info" }],
    [],
  ]);
});

Deno.test("loadConfig(): sessions are told of where the log goes, if that has the level info, unless access_log says where", () => {
  const file = { to: { kind: "file", path: "all.json" }, format: "json" };
  const rows: readonly (readonly [mail: string, server: string, expected: unknown])[] = [
    ["log: all.json", "", [file]],
    ["log: all.json debug", "", [file]],
    ["log: all.json notice", "", []],
    ["log: off", "", []],
    ["log: all.json error", "access_log: all.json", [file]],
    ["access_log: off", "", []],
    ["access_log: off", "access_log: stdout format=text", [{ to: { kind: "stdout" }, format: "text" }]],
    ["access_log: stdout", "access_log: off", []],
    ["access_log: stdout", "access_log: []", []],
  ];
  for (const [mail, server, expected] of rows) {
    const { servers } = loadGood(
      `mail:\n  auth_http: 127.0.0.1:9000\n  ${mail}\n  servers:\n    - listen: 25\n      ${server}\n`,
    );
    assert.deepEqual(servers[0]!.access_log, expected, `${mail}, ${server}`);
  }
});

Deno.test("loadConfig(): a wrong access_log is a problem with its line", () => {
  assert.match(loadBad(`${BASIC}      access_log: stderr format=jsn\n`).join(), /postern\.yaml:5:\d+: .*jsn/);
});

Deno.test("with compat nginx, failed logins bring nothing unless the file says so", () => {
  const settingOf = (more: string) => {
    const [server] = loadGood(BASIC.replace("mail:\n", `mail:\n${more}`)).servers;
    return server!.limit_login.map(({ by, delay }) => `${by} ${delay}`);
  };
  assert.deepEqual(settingOf(""), ["client 10"]);
  assert.deepEqual(settingOf("  compat: nginx\n"), []);
  assert.deepEqual(settingOf("  compat: nginx\n  limit_login: user delay=3\n"), ["user 3"]);
});
