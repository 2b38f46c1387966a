/**
 * Makes the settings of a server ready for connections: files are read, replies built, backends opened.
 *
 * @module
 */
import { AuthCache } from "../auth/auth_cache.ts";
import { EmbeddedUsers } from "../auth/embedded_users.ts";
import { FailoverBackend } from "../auth/failover_backend.ts";
import { HttpBackend, type HttpBackendOptions } from "../auth/http_backend.ts";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { encodeUtf8AsByteString } from "../bytes/latin1.ts";
import type { AuthHttpService, AuthHttpTarget, ServerSettings } from "../config/settings.ts";
import { HandshakeSlots } from "../driver/handshake_slots.ts";
import type { ServerRuntime } from "../driver/runtime.ts";
import type { LimitPorts } from "../driver/session_limits.ts";
import { createBoundDialer } from "../io/bound_dialer.ts";
import { createResolver } from "../io/resolver.ts";
import { guardRules } from "../driver/guard_rules.ts";
import { ehloLines } from "../policy/capabilities.ts";
import { messageLimit } from "../policy/message_limits.ts";
import type { AccessLog } from "../ports/access_log.ts";
import { pipeliningRule } from "../policy/pipelining.ts";
import { planLimits } from "../policy/limits.ts";
import type { AuthBackend } from "../ports/auth_backend.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { Dialer, TlsAcceptor } from "../ports/transport.ts";
import type { ClientRules } from "../session/client_machine.ts";
import { serverReplies } from "../session/replies.ts";

/** What servers are built with. */
export interface BuildPorts {
  readonly clock: Clock;
  readonly dialer: Dialer;
  /** Of the server: `log`, and its `error_log`. */
  readonly log: Log;
  /** Of the server: its `access_log`, or null. */
  readonly access: AccessLog | null;
  readonly metrics: Pick<Metrics, "count">;
  /** Without them nothing is limited. */
  readonly limits?: LimitPorts;
  /** TLS towards clients, or null where there is none. */
  readonly tls: TlsAcceptor | null;
}

/**
 * Builds the runtime of one server.
 * @throws {Deno.errors.NotFound | Deno.errors.PermissionDenied} when a file is gone since the configuration was checked.
 */
export async function buildServer(settings: ServerSettings, ports: BuildPorts): Promise<ServerRuntime> {
  const plan = ports.limits === undefined ? null : planLimits(settings);
  return Object.freeze({
    settings,
    limits: plan === null ? null : Object.freeze({ plan, ...ports.limits! }),
    log: ports.log,
    access: ports.access,
    rules: clientRules(settings),
    guard: guardRules(settings),
    auth: await buildAuth(settings, ports),
    tls: ports.tls,
    handshakes: new HandshakeSlots(settings.ssl_max_handshakes),
    resolver: settings.resolver === null
      ? null
      : createResolver(settings.resolver, settings.resolver_timeout, ports.clock),
    dialer: settings.proxy_bind === null ? null : createBoundDialer(ports.dialer, settings.proxy_bind),
    upstreamTls: Object.freeze({
      verify: settings.proxy_ssl_verify,
      trustedCertificates: await readOptional(settings.proxy_ssl_trusted_certificate),
      certificate: await readOptional(settings.proxy_ssl_certificate),
      certificateKey: await readOptional(settings.proxy_ssl_certificate_key),
    }),
  });
}

/** Whether clients of a server can have TLS. */
export function offersTls({ listen, starttls }: ServerSettings): boolean {
  return starttls !== "off" || listen.some(({ ssl }) => ssl);
}

function clientRules(settings: ServerSettings): ClientRules {
  return Object.freeze({
    replies: serverReplies(settings.server_name, ehloLines(settings)),
    starttls: settings.starttls,
    methods: new Set<string>(settings.smtp_auth),
    maxErrors: settings.max_errors,
    maxCommands: settings.max_commands === 0 ? Number.POSITIVE_INFINITY : settings.max_commands,
    pipelining: pipeliningRule(settings),
    maxMessageOctets: messageLimit(settings),
    refusesNul: settings.smtp_guard && settings.smtp_nul === "reject",
    compat: settings.compat === "nginx",
    newSalt: () => newSalt(settings.server_name),
  });
}

/** RFC 2195 §2: a challenge that was never used before and cannot be foreseen. */
function newSalt(serverName: string): string {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return `<${high}${low}.${Math.floor(Date.now() / 1000)}@${serverName}>`;
}

async function buildAuth(settings: ServerSettings, ports: BuildPorts): Promise<AuthBackend> {
  if (settings.auth_http === null) return new EmbeddedUsers(settings.users ?? []);
  const backend = await buildCallout(settings.auth_http, settings, ports);
  if (settings.auth_http_cache === null) return backend;
  const { max, accepted, refused } = settings.auth_http_cache;
  const { clock, metrics } = ports;
  return new AuthCache({ backend, most: max, acceptedMs: accepted, refusedMs: refused, clock, metrics });
}

async function buildCallout(
  targets: readonly AuthHttpService[],
  settings: ServerSettings,
  ports: BuildPorts,
): Promise<AuthBackend> {
  const trustedCertificates = await readOptional(settings.auth_http_ssl_trusted_certificate);
  const several = targets.length > 1;
  const services = targets.map((service) => ({
    backend: new HttpBackend(httpBackendOptions(settings, service, trustedCertificates, ports)),
    name: formatSocketAddress(service.address),
    maxFails: service.max_fails ?? (several ? 1 : 0),
    failTimeoutMs: service.fail_timeout,
  }));
  // As in nginx, one service alone is not left alone, unless the configuration says so.
  if (!several && services[0]!.maxFails === 0) return services[0]!.backend;
  const { clock, log, metrics } = ports;
  return new FailoverBackend({
    services,
    nextTimeoutMs: settings.auth_http_next_upstream_timeout,
    clock,
    log,
    metrics,
  });
}

function httpBackendOptions(
  settings: ServerSettings,
  target: AuthHttpTarget,
  trustedCertificates: string | null,
  ports: BuildPorts,
): HttpBackendOptions {
  return {
    target,
    timeoutMs: settings.auth_http_timeout,
    keepAlive: settings.auth_http_keepalive,
    headers: settings.auth_http_header.map(({ name, value }) => ({
      name,
      value: encodeUtf8AsByteString(value),
    })),
    sendCertificateFacts: settings.ssl_verify_client !== "off",
    passClientCertificate: settings.auth_http_pass_client_cert,
    ssl: {
      verify: settings.auth_http_ssl_verify,
      name: settings.auth_http_ssl_name,
      trustedCertificates,
    },
    compat: settings.compat === "nginx",
    dialer: ports.dialer,
    clock: ports.clock,
  };
}

async function readOptional(path: string | null): Promise<string | null> {
  return path === null ? null : await Deno.readTextFile(path);
}
