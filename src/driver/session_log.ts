import { formatSocketAddress } from "../bytes/socket_address.ts";
import { decodeLatin1, quoteText } from "../bytes/latin1.ts";
import type { ServerSettings } from "../config/settings.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { Log, LogFields, LogLevel, SessionContext, SessionOutcome } from "../ports/telemetry.ts";
import type { SocketAddress, TlsFacts, Transport } from "../ports/transport.ts";
import { clientHostPort } from "./client_host_port.ts";
import type { RelayResult } from "./relay.ts";
import type { ListenerRuntime, Services } from "./runtime.ts";
import type { FailedUpstream } from "./upstream_tries.ts";

/** The context of a session that begins. */
export function newSessionContext(
  accepted: Transport,
  listener: ListenerRuntime,
  services: Services,
): SessionContext {
  return {
    id: services.newSessionId(),
    connection: services.nextConnection(),
    client: clientHostPort(accepted.remote),
    listener: listener.text,
    doing: "",
    starttls: false,
    login: null,
    upstream: null,
  };
}

/** What a session says about itself, in one place. Nothing here ever sees credentials. */
export class SessionLog {
  readonly #log: Log;
  readonly #settings: ServerSettings;
  readonly #context: SessionContext;

  constructor(log: Log, settings: ServerSettings, context: SessionContext) {
    this.#log = log;
    this.#settings = settings;
    this.#context = context;
  }

  note(level: LogLevel, event: string, message: string, fields?: LogFields): void {
    if (this.#log.enabled(level)) this.#log.event(level, event, message, this.#context, fields);
  }

  /** What the callout said, unless it let the client in. */
  answer(answer: AuthAnswer): void {
    if (answer.kind === "refused") {
      this.note("info", "client_login_failed", `client login failed: ${quoteText(answer.text)}`);
    } else if (answer.kind === "failed") {
      const service = this.#settings.auth_http;
      this.note("error", "auth_unavailable", answer.reason, {
        code: answer.code,
        ...(service === null ? {} : { server: formatSocketAddress(service.address) }),
        ...(answer.got === undefined ? {} : { got: answer.got }),
      });
    }
  }

  upstreamFailure(failure: FailedUpstream): void {
    const level: LogLevel = this.#settings.proxy_pass_error_message && failure.reply !== null
      ? "info"
      : "error";
    this.note(level, "upstream_failed", told(failure), { stage: failure.stage, code: failure.code });
  }

  /** The next mail server is tried; the context still has the one that failed. */
  upstreamFailover(failure: FailedUpstream): void {
    this.note("warn", "upstream_failover", told(failure), { stage: failure.stage, code: failure.code });
  }

  upstreamResting(address: SocketAddress, rests: boolean): void {
    const server = formatSocketAddress(address);
    if (rests) {
      const seconds = this.#settings.proxy_fail_timeout / 1000;
      this.note("warn", "upstream_resting", "upstream server temporarily disabled", { server, seconds });
    } else this.note("notice", "upstream_back", "upstream server works again", { server });
  }

  relayEnd(result: RelayResult): void {
    if (result.reset === null) return;
    const level = result.endedBy === "client" ? "info" : "error";
    this.note(level, "relay_lost", result.reset, { side: result.endedBy });
  }

  /** The line that every session ends with. */
  end(outcome: SessionOutcome, seconds: number, relayed: RelayResult | null, tls: TlsFacts | null): void {
    if (!this.#log.enabled("info")) return;
    this.#log.event("info", "session_closed", "client closed connection", this.#context, {
      outcome,
      seconds,
      octets_to_upstream: relayed?.octetsToUpstream ?? 0,
      octets_to_client: relayed?.octetsToClient ?? 0,
      tls_protocol: tls?.protocol ?? null,
      tls_cipher: tls?.cipher ?? null,
    });
  }
}

/** What went wrong, with the mail server's own words where there are any. */
function told({ message, reply }: FailedUpstream): string {
  if (reply === null) return message;
  return `${message}: ${quoteText(decodeLatin1(reply.raw.subarray(0, 512)).trimEnd())}`;
}
