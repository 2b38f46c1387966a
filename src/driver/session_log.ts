import { formatSocketAddress } from "../bytes/socket_address.ts";
import { quoteText } from "../bytes/latin1.ts";
import type { ServerSettings } from "../config/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type {
  Log,
  LogFields,
  LogLevel,
  MessageRecord,
  SessionContext,
  SessionState,
} from "../ports/telemetry.ts";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import type { ClientQuestion } from "../session/client_machine.ts";
import { clientHostPort } from "./client_host_port.ts";
import type { RelayResult } from "./relay.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "./runtime.ts";
import { type SessionEnd, SessionRecording } from "./session_record.ts";
import { SessionTrace } from "./session_trace.ts";
import { withoutSecret } from "./secret_echo.ts";
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
  readonly #clock: Clock;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  #introduced = false;
  /** Null where no access log is written. */
  readonly #recording: SessionRecording | null;
  /** Null where the runtime does not trace. */
  readonly #trace: SessionTrace | null;

  constructor(
    { log, settings, access }: ServerRuntime,
    context: SessionContext,
    { clock, tracer }: Pick<Services, "clock" | "tracer">,
  ) {
    this.#log = log;
    this.#settings = settings;
    this.#context = context;
    this.#clock = clock;
    this.startedAt = clock.now();
    this.#recording = access === null ? null : new SessionRecording(access, context, this.startedAt);
    this.#trace = tracer === null ? null : new SessionTrace(tracer);
  }

  /** For requests to other services; null where nothing is traced. */
  get traceparent(): string | null {
    return this.#trace?.traceparent ?? null;
  }

  /** The session enters another stage. */
  enter(stage: SessionState): void {
    this.#recording?.enter(stage, this.#clock.now());
    this.#trace?.enter(stage);
  }

  /** The callout is asked. */
  asked(question: ClientQuestion): void {
    this.#context.login = question.method === "none" ? null : question.user;
    this.#recording?.asked(question);
  }

  /** A message is over. */
  message(record: MessageRecord): void {
    this.#recording?.message(record);
  }

  /** Whether anybody was told that the client is there. */
  get introduced(): boolean {
    return this.#introduced;
  }

  /**
   * Tells once that the client is there: when it has said something, or something is told of it. So what only connects
   * and goes, as health checks do every few seconds, leaves nothing at the level `info`.
   */
  introduce(): void {
    if (this.#introduced) return;
    this.#introduced = true;
    this.#tell("info", "client_connected", "client connected");
  }

  note(level: LogLevel, event: string, message: string, fields?: LogFields): void {
    this.introduce();
    this.#tell(level, event, message, fields);
  }

  #tell(level: LogLevel, event: string, message: string, fields?: LogFields): void {
    if (this.#log.enabled(level)) this.#log.event(level, event, message, this.#context, fields);
  }

  /** What the callout said; only what did not let the client in has a line. */
  answer(answer: AuthAnswer, { secret }: ClientQuestion): void {
    this.#recording?.answered(answer);
    if (answer.kind === "failed") this.#trace?.failed(answer.code);
    if (answer.kind === "refused") {
      const said = quoteText(withoutSecret(answer.text, secret));
      this.note("info", "client_login_failed", `client login failed: ${said}`);
    } else if (answer.kind === "failed") {
      const [service] = this.#settings.auth_http ?? [];
      const server = answer.server ?? (service === undefined ? null : formatSocketAddress(service.address));
      this.note("error", "auth_unavailable", withoutSecret(answer.reason, secret), {
        code: answer.code,
        ...(server === null ? {} : { server }),
        ...(answer.got === undefined ? {} : { got: withoutSecret(answer.got, secret) }),
      });
    }
  }

  /** The mail server is ready. */
  upstreamReady({ tls }: Transport): void {
    this.#recording?.opened(tls);
    this.note("info", "client_logged_in", "client logged in");
  }

  upstreamFailure(failure: FailedUpstream): void {
    const { stage, code, reply } = failure;
    this.#trace?.failed(code);
    this.#recording?.notOpened(
      stage,
      code,
      reply === null ? null : { code: reply.code, text: reply.lines.join(" ") },
    );
    const level: LogLevel = this.#settings.proxy_pass_error_message && reply !== null ? "info" : "error";
    this.note(level, "upstream_failed", told(failure), { stage, code });
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

  /** The lines that a session ends with, one at `debug` if the client said nothing; answers how many seconds it took. */
  end(facts: Omit<SessionEnd, "now">): number {
    const now = this.#clock.now();
    const seconds = (now - this.startedAt) / 1000;
    this.#trace?.end(facts.outcome, this.#context, facts.tls);
    if (!this.#introduced && facts.outcome === "client_closed") {
      this.#tell("debug", "client_silent", "client connected and went without a word", { seconds });
      return seconds;
    }
    this.note("info", "session_closed", "client closed connection", { outcome: facts.outcome, seconds });
    this.#recording?.end({ ...facts, now });
    return seconds;
  }
}

/** What went wrong, with the mail server's own words where there are any. */
function told({ message, reply }: FailedUpstream): string {
  if (reply === null) return message;
  return `${message}: ${quoteText(reply.text.slice(0, 512).trimEnd())}`;
}
