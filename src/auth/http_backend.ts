import type { AuthAnswer, AuthBackend, AuthQuestion } from "../ports/auth_backend.ts";
import type { Clock } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { Connector, SocketAddress } from "../ports/transport.ts";
import { type AnswerRules, interpretAnswer } from "./auth_answer.ts";
import { CalloutError } from "./callout_error.ts";
import { HttpConnectionPool } from "./http_connection_pool.ts";
import { compileRequest, type RequestTemplate, writeRequest } from "./http_request.ts";
import { RequestOctets } from "./request_octets.ts";
import { createServiceConnector } from "./service_connector.ts";

/** Times that one question is repeated for `Auth-Status: WAIT`; nginx asks services to stop after 10 to 20. */
const maxRepeats = 20;
/** How many places for requests are kept, while no question uses them. */
const maxSpare = 16;

/** An auth service and how it is asked. */
export interface HttpBackendOptions {
  /** `auth_http`, taken apart. */
  readonly target: {
    readonly scheme: "http" | "https";
    readonly address: SocketAddress;
    /** Value of the `Host` header, `[v6]` in brackets. */
    readonly host: string;
    /** Request target, begins with `/`. */
    readonly uri: string;
  };
  /** Milliseconds for connecting, sending and the response's head together. */
  readonly timeoutMs: number;
  /** Idle connections kept; 0 asks as nginx does, with HTTP/1.0 and one connection per question. */
  readonly keepAlive: number;
  /** Extra request headers; values are byte strings and may hold variables such as `$remote_addr`. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Whether `ssl_verify_client` is other than off. */
  readonly sendCertificateFacts: boolean;
  /** Whether the client's certificate is sent (`auth_http_pass_client_cert`). */
  readonly passClientCertificate: boolean;
  /** For `https`. `name` null takes the target's host; `trustedCertificates` is PEM, null the system's. */
  readonly ssl: {
    readonly verify: boolean;
    readonly name: string | null;
    readonly trustedCertificates: string | null;
  };
  /**
   * Sends nginx's headers alone, and values of `headers` as they are written; a refusal counts with any HTTP status
   * (`compat: nginx`). Default false.
   */
  readonly compat?: boolean;
  readonly dialer: Connector;
  readonly clock: Clock;
}

/** Asks an HTTP service, with nginx's `auth_http` protocol (spec §3). */
export class HttpBackend implements AuthBackend {
  readonly #template: RequestTemplate;
  readonly #rules: AnswerRules;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #pool: HttpConnectionPool;
  readonly #spare: RequestOctets[] = [];

  constructor(options: HttpBackendOptions) {
    const { target, clock, dialer, keepAlive, ssl } = options;
    this.#template = compileRequest({
      host: target.host,
      uri: target.uri,
      keepAlive: keepAlive > 0,
      sendCertificateFacts: options.sendCertificateFacts,
      passClientCertificate: options.passClientCertificate,
      headers: options.headers,
      nginxHeadersOnly: options.compat ?? false,
    });
    this.#rules = { anyStatusRefuses: options.compat ?? false };
    this.#timeoutMs = options.timeoutMs;
    this.#clock = clock;
    const tls = target.scheme === "http" ? null : {
      verify: ssl.verify,
      serverName: ssl.name ?? target.host.replace(/^\[(.*)\]$/, "$1"),
      trustedCertificates: ssl.trustedCertificates,
    };
    this.#pool = new HttpConnectionPool({
      connect: createServiceConnector(dialer, target.address, tls),
      clock,
      maxIdle: keepAlive,
    });
  }

  async ask(question: AuthQuestion, signal: EndSignal): Promise<AuthAnswer> {
    try {
      const request = this.#spare.pop() ?? new RequestOctets();
      writeRequest(this.#template, question, request);
      const octets = request.written;
      for (let repeats = 0;; repeats++) {
        const head = await this.#pool.exchange(octets, this.#timeoutMs, signal);
        const answer = interpretAnswer(head, this.#rules);
        if (answer.kind !== "wait") {
          this.#takeBack(request);
          return answer;
        }
        if (repeats === maxRepeats) {
          throw new CalloutError(
            "wait",
            `expected an answer after ${maxRepeats} repetitions, got WAIT again`,
          );
        }
        await this.#clock.sleep(answer.ms, signal);
      }
    } catch (error) {
      if (error instanceof CalloutError) return error.toAnswer();
      return { kind: "failed", code: "closed", reason: `expected an answer, got: ${String(error)}` };
    }
  }

  /** Takes back what was sent for an answer; not after a failure, when a write may be under way still. */
  #takeBack(request: RequestOctets): void {
    request.clear();
    if (this.#spare.length < maxSpare) this.#spare.push(request);
  }

  close(): void {
    this.#pool.close();
  }
}
