import { formatSocketAddress } from "../bytes/socket_address.ts";
import { decodeLatin1, quoteText } from "../bytes/latin1.ts";
import type { ServerSettings } from "../config/settings.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { Log, LogFields, LogLevel, SessionContext, SessionOutcome } from "../ports/telemetry.ts";
import type { TlsFacts, Transport } from "../ports/transport.ts";
import { clientHostPort } from "./client_host_port.ts";
import type { UpstreamResult } from "./open_upstream.ts";
import type { RelayResult } from "./relay.ts";
import type { ListenerRuntime, Services } from "./runtime.ts";

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

  upstreamFailure(failure: Extract<UpstreamResult, { kind: "failed" }>): void {
    const said = failure.reply === null ? null : failure.reply.raw;
    const text = said === null ? "" : `: ${quoteText(decodeLatin1(said.subarray(0, 512)).trimEnd())}`;
    const level: LogLevel = this.#settings.proxy_pass_error_message && said !== null ? "info" : "error";
    this.note(level, "upstream_failed", failure.message + text, { stage: failure.stage, code: failure.code });
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
