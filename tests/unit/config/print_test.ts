import assert from "node:assert/strict";
import { directives } from "../../../src/config/definitions.ts";
import { printConfig } from "../../../src/config/print.ts";
import { testCertificates } from "../../support/certificates.ts";
import { loadBad, loadGood } from "./reading.ts";

/** Every directive with a value that is not its default, where there is another one. */
const EVERYTHING = `mail:
  log: /var/log/postern.log debug
  admin_listen: "[::]:9025"
  admin_token_file: /etc/postern/admin.token
  hold_timeout: 90s
  worker_processes: 64
  worker_shutdown_timeout: 30s
  pid: /run/postern.pid
  server_name: mail.example.com
  error_log: [/var/log/mail.log, stderr crit]
  timeout: 90s
  session_timeout: 1h30m
  max_errors: 7
  resolver: 127.0.0.1 [::1]:5353 valid=10s ipv4=off
  resolver_timeout: 250ms
  set_real_ip_from: ["10.0.0.0/8", "unix:", "2001:db8::/32", "::1"]
  auth_http: https://auth.example.com:8443/auth?x=1&y=2
  auth_http_header:
    X-Key: 'quote " and #hash: yes'
    X-Ip: \${remote_addr}
  auth_http_timeout: 5s
  auth_http_pass_client_cert: on
  auth_http_keepalive: 0
  auth_http_ssl_verify: off
  auth_http_ssl_name: auth
  auth_http_ssl_trusted_certificate: /ca.pem
  smtp_auth: external cram-md5 none
  smtp_capabilities: [PIPELINING, SIZE 52428800, "X=1"]
  smtp_client_buffer: 1000
  smtp_greeting_delay: 3s
  proxy_buffer: 8k
  proxy_connect_timeout: 5s
  proxy_timeout: 2d
  proxy_pass_error_message: on
  xclient: nginx
  proxy_smtp_auth: on
  proxy_smtp_auth_plaintext: on
  proxy_protocol: v2
  proxy_ssl: starttls
  proxy_ssl_verify: off
  proxy_ssl_name: mx.example.com
  proxy_ssl_trusted_certificate: /ca.pem
  proxy_ssl_certificate: /a.pem
  proxy_ssl_certificate_key: /a.key
  starttls: only
  ssl_certificate: [/a.pem, /b.pem]
  ssl_certificate_key: [/a.key, /b.key]
  ssl_certificate_watch: 1m
  ssl_password_file: /phrases
  ssl_protocols: TLSv1.3
  ssl_verify_client: optional
  ssl_verify_depth: 3
  ssl_client_certificate: /ca.pem
  ssl_trusted_certificate: /ca.pem
  ssl_crl: /crl.pem
  servers:
    - listen: ["*:587 backlog=5", "[::]:587 proxy_protocol", "unix:/run/p.sock"]
    - {listen: "465", ssl: on, starttls: off, timeout: 5s}
`;

Deno.test("printConfig() writes a text that loads to the same settings", async () => {
  const { server, otherServer, root, revocationList } = await testCertificates();
  const files = {
    "/a.pem": server.certificate,
    "/a.key": server.key,
    "/b.pem": otherServer.certificate,
    "/b.key": otherServer.key,
    "/ca.pem": root.certificate,
    "/crl.pem": revocationList,
    "/etc/postern/admin.token": "0123456789abcdef\n",
    "/phrases": "one\n",
  };
  const config = loadGood(EVERYTHING, files);
  const printed = printConfig(config);
  assert.deepEqual(loadGood(printed, files), config);
  assert.equal(printConfig(loadGood(printed, files)), printed);
});

Deno.test("printConfig() names every directive", () => {
  const printed = printConfig(loadGood("mail: {auth_http: h, servers: [{listen: 25}]}"));
  for (const name of directives.keys()) {
    // What "ssl" says stands in "listen".
    if (name !== "ssl") assert.match(printed, new RegExp(`^ +(- )?${name}:`, "m"), name);
  }
});

Deno.test("printConfig() masks password hashes, and a masked one is no hash", () => {
  const hash = "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo";
  const printed = printConfig(
    loadGood(
      `mail: {users: [{name: a, password_hash: "${hash}", upstream: "mx:25"}], servers: [{listen: 25}]}`,
    ),
  );
  assert.ok(!printed.includes("c2Fsd") && printed.includes("***"));
  assert.match(loadBad(printed).join(), /expected a hash/);
});
