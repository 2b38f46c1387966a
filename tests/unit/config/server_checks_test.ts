import assert from "node:assert/strict";
import { loadBad, loadGood } from "./reading.ts";

const USERS =
  'users: [{name: a, password_hash: "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo", upstream: "mx:25"}]';

/** A server with these lines of YAML. */
function server(...lines: string[]): string {
  return `mail:\n  servers:\n    - ${lines.join("\n      ")}\n`;
}

const BAD: readonly (readonly [string, string, RegExp])[] = [
  [
    "no one to decide about logins",
    server("listen: 25"),
    /^postern\.yaml:3:7: mail\.servers\[0\]: no "auth_http" and no "users" is defined for server$/,
  ],
  [
    "two to decide",
    server("listen: 25", "auth_http: h", USERS),
    /:5:14: .*users: "users" and "auth_http" \(line 4\) cannot both hold/,
  ],
  [
    "a cache of answers that nobody gives",
    server("listen: 25", USERS, "auth_http_cache: max=10"),
    /auth_http_cache: "auth_http_cache" is for "auth_http", and this server has "users": write "off" here/,
  ],
  ["no listener", server("auth_http: h"), /mail\.servers\[0\]: no "listen" is defined for server/],
  [
    "users with a mechanism they cannot check",
    server("listen: 25", USERS, "smtp_auth: plain cram-md5"),
    /smtp_auth: "users" can check plain and login only, found cram-md5/,
  ],
  [
    "messages that nobody counts",
    server("listen: 25", "auth_http: h", "smtp_guard: off", "limit_req: messages user 9r/h"),
    /limit_req: "limit_req" counts messages in the relay, for which "smtp_guard" must be on/,
  ],
  [
    "recipients that nobody counts in nginx's way",
    server(
      "listen: 25",
      "auth_http: h",
      "compat: nginx",
      "limit_req: [connections client 1r/s, recipients client 9r/h]",
    ),
    /limit_req: "limit_req" counts recipients in the relay/,
  ],
  [
    "two limits of one count",
    server("listen: 25", "auth_http: h", "limit_conn: [client 5, user 5, client 9]"),
    /limit_conn: "limit_conn" is given twice for "client"$/,
  ],
  [
    "two limits of one count in a zone",
    server("listen: 25", "auth_http: h", "limit_login: [user ban=5 zone=a, user ban=5, user ban=9 zone=a]"),
    /limit_login: "limit_login" is given twice for "user" in the zone "a"$/,
  ],
  [
    "external without client certificates",
    server("listen: 25", "auth_http: h", "smtp_auth: external"),
    /smtp_auth: "external" needs a client certificate/,
  ],
  [
    "starttls without a certificate",
    server("listen: 25", "auth_http: h", "starttls: only"),
    /starttls: no "ssl_certificate" is defined for the "starttls" directive/,
  ],
  [
    "ssl without a certificate",
    server("listen: 465 ssl", "auth_http: h"),
    /listen: no "ssl_certificate" is defined for the "listen \.\.\. ssl" directive/,
  ],
  [
    "a certificate without a key",
    server("listen: 25", "auth_http: h", "ssl_certificate: a.pem"),
    /ssl_certificate: no "ssl_certificate_key" is defined for certificate "a\.pem"/,
  ],
  [
    "a key without a certificate",
    server("listen: 25", "auth_http: h", "ssl_certificate_key: a.key"),
    /ssl_certificate_key: expected one key for each "ssl_certificate", found 1 keys for 0/,
  ],
  [
    "client certificates without authorities",
    server("listen: 25", "auth_http: h", "ssl_verify_client: optional"),
    /ssl_verify_client: no "ssl_client_certificate" or "ssl_trusted_certificate"/,
  ],
  [
    "an upstream certificate without its key",
    server("listen: 25", "auth_http: h", "proxy_ssl_certificate: a.pem"),
    /proxy_ssl_certificate: no "proxy_ssl_certificate_key"/,
  ],
  [
    "an upstream key without its certificate",
    server("listen: 25", "auth_http: h", "proxy_ssl_certificate_key: a.key"),
    /proxy_ssl_certificate_key: no "proxy_ssl_certificate"/,
  ],
];

Deno.test("a server is refused when its directives do not fit together", () => {
  for (const [name, text, expected] of BAD) {
    assert.ok(
      loadBad(text).some((problem) => expected.test(problem)),
      `${name}: ${loadBad(text).join("\n")}`,
    );
  }
});

const GOOD: readonly (readonly [string, string])[] = [
  ["users", server("listen: 25", USERS)],
  [
    "users where mail has auth_http",
    server("listen: 25", USERS, "auth_http: off").replace("mail:\n", "mail:\n  auth_http: h\n"),
  ],
  [
    "external with any client certificate",
    server("listen: 25", "auth_http: h", "smtp_auth: external", "ssl_verify_client: optional_no_ca"),
  ],
];

Deno.test("a server is taken when its directives fit together", () => {
  for (const [name, text] of GOOD) assert.doesNotThrow(() => loadGood(text), name);
});

Deno.test("rules between directives keep quiet about values that are wrong by themselves", () => {
  assert.deepEqual(loadBad(server("listen: 25", "auth_http: 'ftp://x'")).length, 1);
  assert.deepEqual(loadBad(server("listen: mx:25", "auth_http: h")).length, 1);
});
