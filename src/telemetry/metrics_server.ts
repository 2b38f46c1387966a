/**
 * Metrics over HTTP (`metrics_listen`).
 *
 * @module
 */
import type { SocketAddress } from "../ports/transport.ts";
import { EXPOSITION_TYPE } from "./metrics_text.ts";

/** What the server tells. */
export interface MetricsSource {
  /** Text for `GET /metrics`. */
  expose(): Promise<string>;
  /** Whether `GET /healthz` is to answer 200 instead of 503: false while the process drains. */
  healthy(): boolean;
}

/** A running metrics server. */
export interface MetricsServer {
  /** Where it listens, with the kernel's port where 0 was asked for. */
  readonly address: SocketAddress;
  /** Ends all of its connections and stops listening. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves `/metrics` and `/healthz` on `address`.
 * @throws {Deno.errors.AddrInUse} when somebody else listens there.
 */
export async function serveMetrics(address: SocketAddress, source: MetricsSource): Promise<MetricsServer> {
  const stopping = new AbortController();
  const options = { signal: stopping.signal, onListen: () => {} };
  const handler = (request: Request) => answer(request, source);
  let server: Deno.HttpServer<Deno.Addr>;
  if (address.kind === "unix") {
    await removeStaleSocket(address.path);
    server = Deno.serve({ ...options, path: address.path }, handler);
  } else {
    server = Deno.serve({ ...options, hostname: address.host, port: address.port }, handler);
  }
  return {
    address: address.kind === "unix" ? address : { ...address, port: (server.addr as Deno.NetAddr).port },
    close: async () => {
      stopping.abort();
      await server.finished;
      if (address.kind === "unix") await Deno.remove(address.path).catch(ignoreMissing);
    },
  };
}

async function answer(request: Request, source: MetricsSource): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname !== "/metrics" && pathname !== "/healthz") return plain(404, "not found\n");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return plain(405, "method not allowed\n", { allow: "GET, HEAD" });
  }
  if (pathname === "/metrics") return plain(200, await source.expose(), { "content-type": EXPOSITION_TYPE });
  return source.healthy() ? plain(200, "ok\n") : plain(503, "draining\n");
}

function plain(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}

/** A socket file outlives its process; it may go when nobody answers on it. */
async function removeStaleSocket(path: string): Promise<void> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) await Deno.remove(path).catch(ignoreMissing);
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
