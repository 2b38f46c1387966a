import { Dialogue } from "./dialogue.ts";
import { type PeerAddress, PeerServer } from "./peer_server.ts";
import { secrets } from "./secrets.ts";

/** One request as it came. */
export class CalloutRequest {
  /** Request line and headers with their line ends, blank line included: the exact octets. */
  readonly raw: string;
  /** Which connection brought it, from 0. */
  readonly connection: number;
  /** Aborted when the service is closed: a script that waits for long should wait for this as well. */
  readonly closed: AbortSignal;

  constructor(raw: string, connection: number, closed: AbortSignal) {
    this.raw = raw;
    this.connection = connection;
    this.closed = closed;
  }

  /** Header lines without their line ends, in order. */
  get lines(): readonly string[] {
    return this.raw.split("\r\n").slice(1, -2);
  }

  /** Value of the header `name` (any case), or null. */
  header(name: string): string | null {
    const start = name.toLowerCase() + ":";
    const line = this.lines.find((candidate) => candidate.toLowerCase().startsWith(start));
    return line === undefined ? null : line.slice(start.length).trim();
  }

  /** Whether the client means to send another request on this connection (RFC 9112 §9.3). */
  get keepsAlive(): boolean {
    const connection = this.header("Connection")?.toLowerCase() ?? "";
    return this.raw.split("\r\n", 1)[0]!.endsWith("HTTP/1.1")
      ? connection !== "close"
      : connection === "keep-alive";
  }
}

/** What the service does: sends octets and goes on, or sends them (none at all, perhaps) and closes. */
export type CalloutAnswer = string | { readonly raw: string; readonly close: true };

/** An HTTP service that answers with exact octets and keeps every request. */
export class ScriptedCallout extends PeerServer {
  readonly requests: readonly CalloutRequest[];
  readonly #path: string | null;
  readonly #scheme: "http" | "https";
  readonly #stop: AbortController;

  constructor(
    script: (request: CalloutRequest) => CalloutAnswer | Promise<CalloutAnswer>,
    address: PeerAddress = {},
  ) {
    const requests: CalloutRequest[] = [];
    const stop = new AbortController();
    let connections = 0;
    super(async (stream) => {
      const dialogue = new Dialogue(stream);
      const connection = connections++;
      while (await dialogue.waitForOctets()) {
        const request = new CalloutRequest(await dialogue.readUntil("\r\n\r\n"), connection, stop.signal);
        requests.push(request);
        secrets.speakHeaders(request.raw);
        const answer = await script(request);
        secrets.speakHeaders(typeof answer === "string" ? answer : answer.raw);
        const closes = typeof answer !== "string" || !request.keepsAlive;
        await dialogue.send(typeof answer === "string" ? answer : answer.raw);
        if (closes) return;
      }
    }, address);
    this.requests = requests;
    this.#path = address.path ?? null;
    this.#scheme = address.tls === undefined ? "http" : "https";
    this.#stop = stop;
  }

  /** What `auth_http` is to be set to; `uri` begins with `/`. */
  url(uri = "/auth"): string {
    return this.#path === null
      ? `${this.#scheme}://127.0.0.1:${this.port}${uri}`
      : `unix:${this.#path}:${uri}`;
  }

  override async close(): Promise<void> {
    this.#stop.abort();
    await super.close();
  }
}

/** An HTTP response of `200 OK` with these header lines and no body. */
export function httpAnswer(...headers: readonly string[]): string {
  return ["HTTP/1.1 200 OK", "Content-Length: 0", ...headers, "", ""].join("\r\n");
}

/** The answer that sends the client to `127.0.0.1:port`. */
export function accepted(port: number, ...headers: readonly string[]): string {
  return httpAnswer("Auth-Status: OK", "Auth-Server: 127.0.0.1", `Auth-Port: ${port}`, ...headers);
}

/** The answer that refuses the client with `text`. */
export function refused(text: string, ...headers: readonly string[]): string {
  return httpAnswer(`Auth-Status: ${text}`, ...headers);
}

/** Never settles before the service is closed: for a service that is too slow. */
export function never(request: CalloutRequest): Promise<CalloutAnswer> {
  return new Promise((resolve) => {
    request.closed.addEventListener("abort", () => resolve({ raw: "", close: true }), { once: true });
  });
}
