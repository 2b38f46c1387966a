/**
 * The directives of nginx's mail module for SMTP, as nginx takes them (spec §1).
 *
 * @module
 */
import {
  errorLog,
  fileName,
  flag,
  header,
  maxErrors,
  type Meaning,
  number,
  oneOf,
  phrase,
  proxySmtpAuth,
  size,
  strings,
  time,
  timeout,
  xclient,
} from "./nginx_values.ts";

/** How nginx takes a directive. */
export interface NginxMailDirective {
  /** Least and most arguments. */
  readonly args: readonly [least: number, most: number];
  /** What a second one at the same level does. */
  readonly again: "duplicate" | "replaces" | "adds";
  /** Whether a single value is written as a list in YAML. */
  readonly list: boolean;
  readonly meaning: Meaning;
}

function one(meaning: Meaning): NginxMailDirective {
  return { args: [1, 1], again: "duplicate", list: false, meaning };
}

function several(meaning: Meaning, least = 1, most = Infinity): NginxMailDirective {
  return { args: [least, most], again: "adds", list: true, meaning };
}

/** One value in each directive, any number of directives. */
function repeated(meaning: Meaning): NginxMailDirective {
  return { ...one(meaning), again: "adds" };
}

/**
 * Directives of a `mail` or `server` block, but for `server`, `listen` and `protocol`, which shape the servers.
 * All of them may stand in both.
 */
export const NGINX_MAIL_DIRECTIVES: ReadonlyMap<string, NginxMailDirective> = new Map(Object.entries({
  server_name: one(strings),
  timeout: one(timeout),
  resolver: { ...one(phrase), args: [1, Infinity] },
  resolver_timeout: one(time),
  max_errors: one(maxErrors),
  error_log: several(errorLog, 1, 2),

  auth_http: { ...one(strings), again: "replaces" },
  auth_http_header: several(header, 2, 2),
  auth_http_timeout: one(time),
  auth_http_pass_client_cert: one(flag),

  proxy: one(flag),
  proxy_buffer: one(size),
  proxy_timeout: one(time),
  proxy_pass_error_message: one(flag),
  xclient: one(xclient),
  proxy_smtp_auth: one(proxySmtpAuth),
  proxy_protocol: one(oneOf("off", "on", "v2")),

  // The two OAuth methods are Angie's.
  smtp_auth: several(oneOf("plain", "login", "cram-md5", "external", "none", "xoauth2", "oauthbearer")),
  smtp_capabilities: several(strings),
  smtp_client_buffer: one(size),
  smtp_greeting_delay: one(time),

  set_real_ip_from: repeated(strings),

  starttls: one(oneOf("off", "on", "only")),
  ssl: one(flag),
  ssl_certificate: repeated(fileName),
  ssl_certificate_key: repeated(fileName),
  ssl_password_file: one(fileName),
  ssl_protocols: several(oneOf("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")),
  ssl_ciphers: one(strings),
  ssl_prefer_server_ciphers: one(flag),
  ssl_ecdh_curve: one(strings),
  ssl_dhparam: one(fileName),
  ssl_session_cache: { ...one(phrase), args: [1, 2] },
  ssl_session_timeout: one(time),
  ssl_session_tickets: one(flag),
  ssl_session_ticket_key: repeated(fileName),
  ssl_verify_client: one(oneOf("off", "on", "optional", "optional_no_ca")),
  ssl_verify_depth: one(number),
  ssl_client_certificate: one(fileName),
  ssl_trusted_certificate: one(fileName),
  ssl_crl: one(fileName),
  ssl_conf_command: several(phrase, 2, 2),
  ssl_certificate_compression: one(flag),
}));
