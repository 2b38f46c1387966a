/**
 * Traces: what a session spends its time on, as spans that other services can hang theirs to.
 *
 * @module
 */

/** Who a span is about: whom we serve, whom we ask, or ourselves. */
export type SpanKind = "server" | "client" | "internal";

/** One span that is under way. None of its methods throws. */
export interface Span {
  /** For a request to another service (W3C Trace Context §3.2). */
  readonly traceparent: string;
  /** Begins a span within this one. */
  child(name: string, kind: SpanKind): Span;
  set(name: string, value: string | number | boolean): void;
  /** Ends it; `failure` says in a word what went wrong. */
  end(failure: string | null): void;
}

/** Where spans come from. */
export interface Tracer {
  /** Begins a trace. */
  begin(name: string, kind: SpanKind): Span;
}
