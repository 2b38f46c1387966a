import { within } from "./patience.ts";

/** A span as OTLP/HTTP brings it in JSON, as far as tests look at it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status?: { readonly code?: number; readonly message?: string };
  /** Name of the tracer. */
  readonly scope: string;
}

/** A collector of traces on a loopback port. */
export class OtlpReceiver {
  readonly spans: readonly ReceivedSpan[];
  /** All that came, as text. */
  text = "";
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #wake: (() => void) | null = null;

  constructor() {
    const spans: ReceivedSpan[] = [];
    this.spans = spans;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      const text = await request.text();
      this.text += text;
      if (new URL(request.url).pathname === "/v1/traces") spans.push(...spansOf(JSON.parse(text)));
      this.#wake?.();
      return Response.json({});
    });
  }

  /** What makes a process of the runtime send its traces here, soon. */
  get env(): Readonly<Record<string, string>> {
    return {
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_BSP_SCHEDULE_DELAY: "50",
    };
  }

  /** Waits until `count` spans with this name are there, and answers them. */
  async named(name: string, count: number): Promise<readonly ReceivedSpan[]> {
    const found = () => this.spans.filter((span) => span.name === name);
    const wait = async () => {
      while (found().length < count) await new Promise<void>((resolve) => this.#wake = resolve);
    };
    await within(
      wait(),
      () => `waiting for ${count} spans "${name}", there are ${JSON.stringify(this.spans)}`,
    );
    return found();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

interface Export {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly ReceivedSpan[];
    }[];
  }[];
}

function spansOf({ resourceSpans }: Export): ReceivedSpan[] {
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ scope, spans }) => spans.map((span) => ({ ...span, scope: scope.name })));
}
