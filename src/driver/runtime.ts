/**
 * What a connection is served with: the settings of its server made ready to use, and the ports.
 *
 * @module
 */
import type { ListenSettings, ServerSettings } from "../config/settings.ts";
import type { AccessLog } from "../ports/access_log.ts";
import type { AuthBackend } from "../ports/auth_backend.ts";
import type { Clock } from "../ports/clock.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { Tracer } from "../ports/tracer.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { Dialer, SocketAddress, TlsAcceptor, UpstreamTlsOptions } from "../ports/transport.ts";
import type { ClientRules } from "../session/client_machine.ts";
import type { HandshakeSlots } from "./handshake_slots.ts";
import type { GuardRules } from "../session/guard_rules.ts";
import type { BufferPool } from "./buffer_pool.ts";
import type { SessionBoard } from "./session_board.ts";
import type { SignInHolds } from "./sign_in_holds.ts";
import type { LimitPorts, ServerLimits } from "./session_limits.ts";
import type { UpstreamHealth } from "./upstream_health.ts";

/** One server of the configuration, built once. */
export interface ServerRuntime {
  readonly settings: ServerSettings;
  readonly rules: ClientRules;
  /** Null with `smtp_guard off`. */
  readonly guard: GuardRules | null;
  readonly auth: AuthBackend;
  /** Null where nothing is limited. */
  readonly limits: ServerLimits | null;
  /** Where the sessions of this server are told of: `log`, and its `error_log`. */
  readonly log: Log;
  /** Where they are told of when they are over (`access_log`), or null. */
  readonly access: AccessLog | null;
  /** Null where neither STARTTLS nor implicit TLS is configured. */
  readonly tls: TlsAcceptor | null;
  /** Those of this server that are under way. */
  readonly handshakes: HandshakeSlots;
  /** Null without `resolver`. */
  readonly resolver: Resolver | null;
  /** Opens its mail servers with `proxy_bind`; else null, and the dialer of all does. */
  readonly dialer: Dialer | null;
  /** TLS towards the mail server, but for the name, which may be the mail server's own. */
  readonly upstreamTls: Omit<UpstreamTlsOptions, "serverName">;
}

/** One listening address of a server. */
export interface ListenerRuntime {
  readonly settings: ListenSettings;
  readonly server: ServerRuntime;
  /** The address as logged, with the port that the kernel chose where the configuration says 0. */
  readonly text: string;
}

/** What all connections share. */
export interface Services {
  readonly clock: Clock;
  readonly dialer: Dialer;
  /** Where the process is told of: `log`, and the `error_log` of `mail:`. */
  readonly log: Log;
  readonly metrics: Metrics;
  /** Null where nothing is traced. */
  readonly tracer: Tracer | null;
  /** Where clients are counted, for servers that limit them. */
  readonly limits: LimitPorts;
  readonly buffers: BufferPool;
  /** Mail servers that failed lately. */
  readonly health: UpstreamHealth;
  /** Whether a connection to an address would come back to a listener of this process. */
  readonly isOwnListener: (address: SocketAddress) => boolean;
  /** A random session id. */
  readonly newSessionId: () => string;
  /** Counts connections, from 1. */
  readonly nextConnection: () => number;
  /** Where sessions can be seen by an operator; null where nobody can look. */
  readonly board: SessionBoard | null;
  /** Users whose sign-ins wait; null where nobody can hold any. */
  readonly holds: SignInHolds | null;
}
