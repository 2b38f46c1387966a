/**
 * The configuration after it was read, checked and inherited. Property names are the directive names. Durations
 * are in milliseconds, sizes in octets. Everything is frozen: a session keeps the object it began with.
 *
 * @module
 */
import type { ProxyProtocolMode, UpstreamTlsMode, XclientMode } from "../ports/auth_backend.ts";
import type { LogLevel } from "../ports/telemetry.ts";
import type { SocketAddress } from "../ports/transport.ts";

/** A whole configuration file. */
export interface Config {
  /** The file as named on the command line. */
  readonly file: string;
  readonly main: MainSettings;
  readonly servers: readonly ServerSettings[];
}

/** Directives that hold once for the process. */
export interface MainSettings {
  /** Where the structured log goes. */
  readonly log: LogTarget;
  /** `error_log` as it stands under `mail:`: what happens outside of sessions goes there too. */
  readonly error_log: readonly LogTarget[];
  /** Where metrics, health and sessions are served over HTTP, or null. */
  readonly admin_listen: SocketAddress | null;
  readonly admin_token_file: string | null;
  /** How long a sign-in waits whose user is held, milliseconds. */
  readonly hold_timeout: number;
  /** Where the counts of limits are. */
  readonly limit_store: LimitStoreTarget;
  readonly limit_store_password_file: string | null;
  readonly limit_store_timeout: number;
  /** What holds while the store is away: clients are let in uncounted, or sent away for the time. */
  readonly limit_store_failure: "open" | "closed";
  readonly limit_store_ssl_trusted_certificate: string | null;
  /** Threads that serve; `auto` is one for each core. */
  readonly worker_processes: number | "auto";
  /** Milliseconds that sessions may take once the process is to end; null: it depends on the signal. */
  readonly worker_shutdown_timeout: number | null;
  /** File for the id of the process, or null. */
  readonly pid: string | null;
}

/** `limit_store`, taken apart. */
export type LimitStoreTarget = { readonly kind: "memory" } | {
  readonly kind: "redis";
  readonly address: SocketAddress;
  readonly tls: boolean;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: number;
};

/** A destination of log lines and the least severe level that is written. */
export interface LogTarget {
  readonly to: { readonly kind: "stderr" } | { readonly kind: "stdout" } | { readonly kind: "off" } | {
    readonly kind: "file";
    readonly path: string;
  };
  readonly level: LogLevel;
}

/** A destination of the access log and the format of its lines. */
export interface AccessLogTarget {
  readonly to: Exclude<LogTarget["to"], { readonly kind: "off" }>;
  readonly format: "json" | "text";
}

/** SASL mechanisms and `none`, as `smtp_auth` names them. */
export type SmtpAuthMethod =
  | "plain"
  | "login"
  | "cram-md5"
  | "external"
  | "xoauth2"
  | "oauthbearer"
  | "none";

/** One `listen` entry. */
export interface ListenSettings {
  readonly address: SocketAddress;
  /** As written, for logs: `0.0.0.0:25`, `[::]:25`, `unix:/run/postern.sock`. */
  readonly text: string;
  /** Implicit TLS. */
  readonly ssl: boolean;
  /** Whether a PROXY protocol header must come first. */
  readonly proxy_protocol: boolean;
  /** Queue of the operating system for connections not yet accepted. */
  readonly backlog: number;
  /** Whether another process may listen there too, which takes over from this one or from which this one does. */
  readonly reuseport: boolean;
}

/** `auth_http`, taken apart. */
export interface AuthHttpTarget {
  readonly scheme: "http" | "https";
  /** Where to connect; a host name is resolved at every connection. */
  readonly address: SocketAddress;
  /** Value of the `Host` header: without port, `[v6]` in brackets, `localhost` for Unix sockets (nginx). */
  readonly host: string;
  /** Request target, begins with `/`, query kept. */
  readonly uri: string;
}

/** One service of `auth_http`. */
export interface AuthHttpService extends AuthHttpTarget {
  /**
   * Failures within `fail_timeout` after which it is left alone for that long; 0 for never, null for 1 where there is
   * another service, else never.
   */
  readonly max_fails: number | null;
  /** Milliseconds. */
  readonly fail_timeout: number;
}

/** What `auth_http_cache` keeps. */
export interface AuthCacheSettings {
  /** Answers of either kind. */
  readonly max: number;
  /** How long each kind is kept, milliseconds; 0 for not at all. */
  readonly accepted: number;
  readonly refused: number;
}

/** One entry of `users`. */
export interface UserEntry {
  /** Login as a byte string (UTF-8 octets of what the file says). */
  readonly name: string;
  /** `$scrypt$ln=..,r=..,p=..$salt$hash` as `postern hash-password` prints it. */
  readonly password_hash: string;
  /** At least one, in the order in which they are to be tried. */
  readonly upstream: readonly SocketAddress[];
}

/** An address range, for `set_real_ip_from`; `unix` stands for every Unix socket peer. */
export type AddressRange =
  | { readonly kind: "unix" }
  | { readonly kind: "ip"; readonly address: Uint8Array; readonly prefix: number };

/** An entry of `access`: the first one that fits a client decides. */
export interface AccessRule {
  readonly action: "allow" | "deny";
  readonly range: AddressRange | "all";
}

/** What a limit counts by: the client's address or network, the login, or nothing. */
export type LimitKey = "client" | "user" | "total";

/** An entry of `limit_conn`: so many connections at a time. */
export interface ConnLimit {
  readonly by: LimitKey;
  readonly most: number;
  /** Limits of one zone share their counts; empty for the zone without a name. */
  readonly zone: string;
}

/** An entry of `limit_req`: `count` in a second, minute, hour or day, and `burst` more at once. */
export interface RateLimit {
  readonly what: "connections" | "messages" | "recipients";
  readonly by: LimitKey;
  readonly count: number;
  readonly per: "s" | "m" | "h" | "d";
  readonly burst: number;
  readonly zone: string;
}

/** An entry of `limit_login`: what failed logins bring, by how many of them are remembered; null for never. */
export interface LoginLimit {
  readonly by: "client" | "user";
  readonly delay: number | null;
  readonly refuse: number | null;
  readonly ban: number | null;
  /** One failure is forgotten in this time, milliseconds. */
  readonly forget: number;
  /** The first ban and the longest, milliseconds. */
  readonly ban_time: number;
  readonly ban_max: number;
  readonly zone: string;
}

/** A name server of `resolver`. */
export interface ResolverTarget {
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Overrides the lifetime of answers, milliseconds; null takes the default of 5 minutes. */
  readonly validMs: number | null;
}

/** `off` | `on` | `optional` | `optional_no_ca`. */
export type VerifyClient = "off" | "on" | "optional" | "optional_no_ca";

/** A certificate chain and its key, as file names that can be opened from the working directory. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** One server: what holds for the connections of its listeners. */
export interface ServerSettings {
  readonly listen: readonly ListenSettings[];
  readonly server_name: string;
  /** `nginx` brings nginx's way back where Postern differs and that opens no hole. */
  readonly compat: "off" | "nginx";
  /** Logs in nginx's line format, besides `log`. */
  readonly error_log: readonly LogTarget[];
  /** Where a line for every session and every message goes; empty for `off`. */
  readonly access_log: readonly AccessLogTarget[];

  // core
  readonly timeout: number;
  readonly session_timeout: number;
  readonly max_errors: number;
  readonly resolver: ResolverTarget | null;
  readonly resolver_timeout: number;
  readonly set_real_ip_from: readonly AddressRange[];

  // access and limits
  readonly access: readonly AccessRule[];
  readonly limit_conn: readonly ConnLimit[];
  readonly limit_req: readonly RateLimit[];
  readonly limit_login: readonly LoginLimit[];
  /** Clients whose addresses count for nothing. */
  readonly limit_exempt: readonly AddressRange[];
  /** Bits of an address that tell one client from another. */
  readonly limit_ipv4_prefix: number;
  readonly limit_ipv6_prefix: number;

  // callout and embedded users; exactly one of auth_http and users is set
  /** At least one, in the order in which they are to be asked. */
  readonly auth_http: readonly AuthHttpService[] | null;
  readonly auth_http_header: readonly { readonly name: string; readonly value: string }[];
  readonly auth_http_timeout: number;
  /** How long another service may be asked; 0 for no limit. */
  readonly auth_http_next_upstream_timeout: number;
  readonly auth_http_cache: AuthCacheSettings | null;
  readonly auth_http_pass_client_cert: boolean;
  readonly auth_http_keepalive: number;
  readonly auth_http_ssl_verify: boolean;
  readonly auth_http_ssl_name: string | null;
  readonly auth_http_ssl_trusted_certificate: string | null;
  readonly users: readonly UserEntry[] | null;

  // SMTP
  readonly smtp_auth: readonly SmtpAuthMethod[];
  readonly smtp_capabilities: readonly string[];
  readonly smtp_client_buffer: number;
  readonly smtp_greeting_delay: number;

  // slow and strange clients
  /** 0 for no limit. */
  readonly max_commands: number;
  readonly smtp_reject_unauth_pipelining: "auto" | "on" | "off";
  readonly ssl_handshake_timeout: number;
  /** 0 for no limit. */
  readonly ssl_max_handshakes: number;
  // guard of the relay
  readonly smtp_guard: boolean;
  readonly smtp_bare_newline: "reject" | "normalize" | "pass";
  readonly smtp_nul: "reject" | "pass";
  readonly smtp_long_line: "reject" | "pass";
  /** Octets; null where `smtp_capabilities` decides. */
  readonly smtp_max_message_size: number | null;
  readonly smtp_max_recipients: number | null;
  readonly smtp_max_messages: number | null;
  readonly smtp_data_timeout: number;
  /** Octets in a second. */
  readonly smtp_min_data_rate: number;

  // upstream
  readonly proxy_buffer: number;
  readonly proxy_connect_timeout: number;
  /** Addresses of this machine that connections come from, in turns; null leaves the choice to the system. */
  readonly proxy_bind: readonly string[] | null;
  readonly proxy_timeout: number;
  /** Whether the next server is tried when one fails. */
  readonly proxy_next_upstream: boolean;
  /** Tries for one client; 0 for all there are. */
  readonly proxy_next_upstream_tries: number;
  /** How long tries may begin; 0 for no limit. */
  readonly proxy_next_upstream_timeout: number;
  /** How long a server that failed is left alone. */
  readonly proxy_fail_timeout: number;
  readonly proxy_pass_error_message: boolean;
  readonly xclient: XclientMode;
  readonly proxy_smtp_auth: boolean;
  /** Whether AUTH may go over a plaintext connection to another host. */
  readonly proxy_smtp_auth_plaintext: boolean;
  readonly proxy_protocol: ProxyProtocolMode;
  readonly proxy_ssl: UpstreamTlsMode;
  readonly proxy_ssl_verify: boolean;
  readonly proxy_ssl_name: string | null;
  readonly proxy_ssl_trusted_certificate: string | null;
  readonly proxy_ssl_certificate: string | null;
  readonly proxy_ssl_certificate_key: string | null;

  // TLS towards clients
  readonly starttls: "off" | "on" | "only";
  /** How often files of TLS towards clients are looked at for changes, milliseconds; null: never. */
  readonly ssl_certificate_watch: number | null;
  readonly ssl_certificates: readonly CertificateFiles[];
  readonly ssl_password_file: string | null;
  readonly ssl_protocols: readonly TlsVersion[];
  readonly ssl_ciphers: string | null;
  readonly ssl_prefer_server_ciphers: boolean;
  readonly ssl_session_timeout: number;
  readonly ssl_session_tickets: boolean;
  readonly ssl_verify_client: VerifyClient;
  readonly ssl_verify_depth: number;
  readonly ssl_client_certificate: string | null;
  readonly ssl_trusted_certificate: string | null;
  readonly ssl_crl: string | null;
}

/** The limits of a server, and for whom they hold. */
export type LimitSettings = Pick<
  ServerSettings,
  | "access"
  | "limit_conn"
  | "limit_req"
  | "limit_login"
  | "limit_exempt"
  | "limit_ipv4_prefix"
  | "limit_ipv6_prefix"
>;
