/**
 * The runtime's own OpenTelemetry, as a {@linkcode Tracer}: it is on with the environment variable `OTEL_DENO=true`, and
 * exports by itself what `OTEL_EXPORTER_OTLP_*` say.
 *
 * `Deno.telemetry.tracerProvider` is a provider as OpenTelemetry's API for JavaScript has it; of that API no more is
 * needed than the few names below, so its package is not.
 *
 * @module
 */
import type { Span, SpanKind, Tracer } from "../ports/tracer.ts";

/** The parts of OpenTelemetry's API that are used. */
interface ApiSpan {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
  isRecording(): boolean;
  setAttribute(name: string, value: string | number | boolean): unknown;
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  end(): void;
}
interface ApiContext {
  getValue(key: symbol): unknown;
}
interface ApiTracer {
  startSpan(name: string, options: { readonly kind: number }, context?: ApiContext): ApiSpan;
}

/** `SpanKind` and `SpanStatusCode` of the API. */
const KINDS: Readonly<Record<SpanKind, number>> = { internal: 0, server: 1, client: 2 };
const STATUS_ERROR = 2;
/** Where a context has its span (`trace.setSpan` of the API). */
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** The runtime's tracer; null where tracing is off, so that nobody has anything to do for it. */
export function runtimeTracer(version: string): Tracer | null {
  const tracer = tracerOf(version);
  return tracer === null ? null : {
    begin: (name, kind) => new RuntimeSpan(tracer, tracer.startSpan(name, { kind: KINDS[kind] }, NO_SPAN)),
  };
}

/** No span is active in whoever accepts a connection. */
const NO_SPAN: ApiContext = { getValue: () => undefined };

function tracerOf(version: string): ApiTracer | null {
  try {
    const tracer: ApiTracer = Deno.telemetry.tracerProvider.getTracer("postern", version);
    // It throws where OTEL_DENO is not set, and a span that is never ended is never exported.
    return tracer.startSpan("probe", { kind: KINDS.internal }, NO_SPAN).isRecording() ? tracer : null;
  } catch {
    return null;
  }
}

class RuntimeSpan implements Span {
  readonly #tracer: ApiTracer;
  readonly #span: ApiSpan;
  readonly traceparent: string;

  constructor(tracer: ApiTracer, span: ApiSpan) {
    this.#tracer = tracer;
    this.#span = span;
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
  }

  child(name: string, kind: SpanKind): Span {
    const within: ApiContext = { getValue: (key) => key === SPAN_KEY ? this.#span : undefined };
    return new RuntimeSpan(this.#tracer, this.#tracer.startSpan(name, { kind: KINDS[kind] }, within));
  }

  set(name: string, value: string | number | boolean): void {
    this.#span.setAttribute(name, value);
  }

  end(failure: string | null): void {
    if (failure !== null) this.#span.setStatus({ code: STATUS_ERROR, message: failure });
    this.#span.end();
  }
}
