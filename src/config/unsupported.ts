const NOT_SMTP = "Postern speaks SMTP only";
const NO_OPENSSL = "the runtime's TLS library is rustls, which has no such setting";
const PROCESS = "it belongs to nginx's processes";
const LIMITED = 'what a limit says and logs is fixed, see "Limits" in README';

/** nginx's directives that Postern does not have, with the reason that a user is told. */
export const unsupportedDirectives: Readonly<Record<string, string>> = {
  // mail modules
  proxy: "it has no effect in nginx either, leave it out",
  imap_auth: NOT_SMTP,
  imap_capabilities: NOT_SMTP,
  imap_client_buffer: NOT_SMTP,
  pop3_auth: NOT_SMTP,
  pop3_capabilities: NOT_SMTP,
  google_perftools_profiles: PROCESS,

  // TLS
  ssl_dhparam: `${NO_OPENSSL}: it exchanges keys over elliptic curves only`,
  ssl_session_ticket_key: `${NO_OPENSSL}: it makes its ticket keys itself`,
  ssl_conf_command: NO_OPENSSL,
  ssl_certificate_compression: NO_OPENSSL,
  ssl_engine: NO_OPENSSL,
  ssl_object_cache_inheritable: "Postern reads all files again at every reload",
  ssl_stapling: "nginx has it for HTTP only, and the runtime cannot do it",
  ssl_early_data: "nginx has it for HTTP only, and SMTP must not use it",
  ssl_buffer_size: "nginx has it for HTTP only",
  ssl_ocsp: 'nginx has it for HTTP and stream only: use "ssl_crl"',
  ssl_alpn: 'nginx has it for stream only: Postern always offers "smtp"',
  ssl_reject_handshake: "nginx has it for HTTP and stream only",
  ssl_name: 'use "proxy_ssl_name"',

  // what other modules of nginx know
  proxy_pass: 'the mail server comes from "auth_http" or "users"',
  proxy_ssl_protocols: "TLSv1.2 and TLSv1.3 are always offered to mail servers",
  proxy_ssl_ciphers: NO_OPENSSL,
  proxy_ssl_verify_depth: "the runtime limits the depth itself",
  proxy_ssl_crl: "the runtime checks no revocation lists of mail servers",
  proxy_ssl_server_name: "the name is always sent",
  proxy_ssl_session_reuse: NO_OPENSSL,
  proxy_ssl_password_file: 'write the key of "proxy_ssl_certificate_key" without a pass phrase',
  include: "a configuration is one file",
  allow: 'write it as an entry of "access", such as "allow 192.0.2.0/24": their order counts',
  deny: 'write it as an entry of "access", such as "deny all": their order counts',
  limit_conn_zone: 'the keys of "limit_conn" are "client", "user" and "total"',
  limit_req_zone: 'the keys and the rate stand in "limit_req"',
  limit_conn_status: LIMITED,
  limit_req_status: LIMITED,
  limit_conn_log_level: LIMITED,
  limit_req_log_level: LIMITED,
  auth_delay: 'nginx has it for HTTP only: use "limit_login"',

  // main and events contexts
  daemon: PROCESS,
  events: PROCESS,
  load_module: PROCESS,
  master_process: PROCESS,
  user: PROCESS,
  worker_connections: PROCESS,
  worker_rlimit_nofile: PROCESS,
  http: "Postern is no HTTP server",
  stream: NOT_SMTP,
};
