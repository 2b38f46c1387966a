import type { SessionContext, SessionOutcome, SessionState } from "../ports/telemetry.ts";
import type { Span, SpanKind, Tracer } from "../ports/tracer.ts";
import type { TlsFacts } from "../ports/transport.ts";

/** Stages that have a span of their own. */
const SPANS: Readonly<Partial<Record<SessionState, readonly [name: string, kind: SpanKind]>>> = {
  handshake: ["tls", "internal"],
  asking: ["callout", "client"],
  connecting: ["upstream", "client"],
  relaying: ["relay", "internal"],
};

/** Endings that are nobody's intention. */
const FAILURES: ReadonlySet<SessionOutcome> = new Set([
  "tls_failed",
  "auth_unavailable",
  "upstream_failed",
  "relay_lost",
  "internal_error",
]);

/** The trace of one session: a span for it, and one within for each stage in which somebody is waited for. */
export class SessionTrace {
  readonly #session: Span;
  #stage: SessionState | null = null;
  #span: Span | null = null;
  #failure: string | null = null;

  constructor(tracer: Tracer) {
    this.#session = tracer.begin("smtp session", "server");
  }

  /** Of the span that is under way, for whoever is asked meanwhile. */
  get traceparent(): string {
    return (this.#span ?? this.#session).traceparent;
  }

  /** The session goes on in another stage. */
  enter(stage: SessionState): void {
    // Asking begins with the limits, which are asked for the same thing.
    if (stage === this.#stage) return;
    this.#leave(this.#failure);
    this.#stage = stage;
    const row = SPANS[stage];
    if (row !== undefined) this.#span = this.#session.child(...row);
  }

  /** What the stage is about went wrong. */
  failed(code: string): void {
    this.#failure = code;
  }

  end(outcome: SessionOutcome, context: SessionContext, tls: TlsFacts | null): void {
    const failed = FAILURES.has(outcome);
    this.#leave(this.#failure ?? (failed ? outcome : null));
    const span = this.#session;
    span.set("session.id", context.id);
    span.set("client.address", context.client.host);
    span.set("client.port", context.client.port);
    span.set("postern.listener", context.listener);
    span.set("postern.outcome", outcome);
    if (context.login !== null) span.set("user.name", context.login);
    if (context.upstream !== null) span.set("postern.upstream", context.upstream);
    if (tls !== null) span.set("tls.protocol.version", tls.protocol);
    span.end(failed ? outcome : null);
  }

  #leave(failure: string | null): void {
    this.#span?.end(failure);
    this.#span = null;
    this.#failure = null;
  }
}
