/**
 * Opens a mail server: connects, says who the client is, and runs the upstream machine until the session is ready
 * to be relayed.
 *
 * @module
 */
import { encodeLatin1, encodeLatin1Into } from "../bytes/latin1.ts";
import type { Capabilities } from "../grammar/ehlo.ts";
import { type Reply, type ReplyFault, ReplyReader } from "../grammar/reply.ts";
import type { Clock, Deadline } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import {
  ConnectionError,
  type Connector,
  type SocketAddress,
  type Transport,
  type UpstreamTlsOptions,
} from "../ports/transport.ts";
import {
  initialUpstreamState,
  stepUpstream,
  type UpstreamFailure,
  type UpstreamPlan,
} from "../session/upstream_machine.ts";
import { type BufferPool, REPLY_OCTETS } from "./buffer_pool.ts";
import type { SpokenReply } from "../session/replies.ts";
import { UPSTREAM_PHASES, type UpstreamPhase } from "../session/upstream_phases.ts";
import { REPEATED, repeatsSecret } from "./secret_echo.ts";

export interface UpstreamRequest {
  readonly target: SocketAddress;
  /** `proxy_connect_timeout`, milliseconds. */
  readonly connectTimeoutMs: number;
  /** All of the dialogue after the connection is there (`timeout`, spec §2.9), milliseconds. */
  readonly dialogueTimeoutMs: number;
  /** Limit of one reply in octets (`proxy_buffer`). */
  readonly replyLimit: number;
  /** Implicit TLS, before any octet of SMTP. */
  readonly implicitTls: boolean;
  readonly tls: UpstreamTlsOptions;
  /** PROXY header, made when the connection is there; null for none. */
  readonly proxyHeader: (() => Uint8Array) | null;
  /** The plan of the dialogue; whether credentials may go in clear depends on where we are connected to. */
  readonly plan: (connected: Transport) => UpstreamPlan;
  /** Told what is being done, for the log. */
  readonly doing: (label: string) => void;
  /** Told when the connection is there, for metrics. */
  readonly connected: () => void;
  /** Told of every finished TLS handshake, for metrics. */
  readonly handshake: (ok: boolean) => void;
}

export type UpstreamResult =
  | {
    readonly kind: "ready";
    readonly transport: Transport;
    /** Answer to RCPT, or null after a login. */
    readonly reply: Reply | null;
    /** What the mail server announced last; empty when it was greeted with HELO. */
    readonly capabilities: Capabilities;
    /** What came behind the last reply. */
    readonly rest: Uint8Array;
  }
  | {
    readonly kind: "failed";
    /** What was being done. */
    readonly stage: string;
    readonly code: string;
    readonly message: string;
    /** Whom it may be about; the mail server alone, as long as it knows nothing of the client. */
    readonly about: "server" | "client";
    /** The mail server's own reply, or null. */
    readonly reply: Reply | null;
  };

/** Runs the whole way. Never rejects; when it fails, no connection is left open. `signal` ends it early. */
export function openUpstream(
  request: UpstreamRequest,
  ports: { readonly clock: Clock; readonly dialer: Connector; readonly buffers: BufferPool },
  signal: EndSignal,
): Promise<UpstreamResult> {
  return new Opening(request, ports.dialer, ports.clock).run(ports.buffers, signal);
}

const NO_CAPABILITIES: Capabilities = new Map();
const NO_SECRETS: readonly string[] = [];

class Opening {
  readonly #request: UpstreamRequest;
  readonly #dialer: Connector;
  readonly #deadline: Deadline;
  readonly #dial = new AbortController();
  #transport: Transport | null = null;
  #stage = "connecting to upstream";
  #about: "server" | "client" = "server";
  #ended: "timeout" | "aborted" | null = null;
  /** What was sent, or stands in what was sent, and must not come back in a log or a reply. */
  #secrets: readonly string[] = NO_SECRETS;

  constructor(request: UpstreamRequest, dialer: Connector, clock: Clock) {
    this.#request = request;
    this.#dialer = dialer;
    this.#deadline = clock.deadline(() => this.#end("timeout"));
  }

  #end(reason: "timeout" | "aborted"): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#dial.abort();
    this.#transport?.close();
  }

  async run(buffers: BufferPool, signal: EndSignal): Promise<UpstreamResult> {
    const request = this.#request;
    const buffer = buffers.take(REPLY_OCTETS);
    const held = buffers.take(REPLY_OCTETS);
    const abort = () => this.#end("aborted");
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    this.#deadline.arm(request.connectTimeoutMs);
    try {
      this.#doing(this.#stage);
      const plain = await this.#dialer.connect(request.target, this.#dial.signal);
      this.#own(plain);
      this.#deadline.arm(request.dialogueTimeoutMs);
      request.connected();
      if (request.proxyHeader !== null) {
        this.#doing("sending PROXY protocol header to upstream");
        this.#about = "client";
        await plain.write(request.proxyHeader());
      }
      if (request.implicitTls) await this.#startTls(plain);
      return await this.#dialogue(buffer, held);
    } catch (error) {
      return this.#lost(error);
    } finally {
      this.#deadline.disarm();
      signal.removeEventListener("abort", abort);
      buffers.give(buffer);
      buffers.give(held);
    }
  }

  /** Makes `transport` the one to close; closes it now when the end came while it was being made. */
  #own(transport: Transport): void {
    this.#transport = transport;
    if (this.#ended !== null) {
      transport.close();
      throw new ConnectionError("closed", "the connection was given up while it was opened");
    }
  }

  async #startTls(plain: Transport): Promise<Transport> {
    this.#doing("SSL handshaking to upstream");
    let secured: Transport;
    try {
      secured = await this.#dialer.startTls(plain, this.#request.tls);
      this.#own(secured);
    } catch (error) {
      this.#request.handshake(false);
      throw error;
    }
    this.#request.handshake(true);
    return secured;
  }

  /** Speaks until the mail server is ready, or fails; reads and writes with `buffer`, and holds replies in `held`. */
  async #dialogue(buffer: Uint8Array, held: Uint8Array): Promise<UpstreamResult> {
    let transport = this.#transport!;
    const plan = this.#request.plan(transport);
    const reader = new ReplyReader(this.#request.replyLimit, held);
    let state = initialUpstreamState(this.#request.implicitTls);
    this.#doing(UPSTREAM_PHASES[state.phase].doing);
    while (true) {
      const reply = reader.next();
      if (reply === null) {
        const count = await transport.read(buffer);
        if (count === null) return this.#failed("closed", "upstream closed the connection", null);
        reader.feed(buffer, count);
        continue;
      }
      if ("kind" in reply) return this.#invalid(reply);
      let step = stepUpstream(state, { kind: "reply", reply, pending: reader.pending }, plan);
      if (step.effect.do === "start_tls") {
        transport = await this.#startTls(transport);
        step = stepUpstream(step.state, { kind: "tls_started" }, plan);
      }
      state = step.state;
      const { effect } = step;
      switch (effect.do) {
        case "send":
          this.#enter(state.phase);
          // What came before the command cannot be its answer; nginx throws it away too.
          reader.clear();
          if (effect.secret) this.#keepSecret(effect.line, plan);
          // Lock-step: nothing is read into the buffer now.
          await transport.write(encodeLatin1Into(effect.line + "\r\n", buffer));
          break;
        case "await":
          this.#enter(state.phase);
          break;
        case "ready":
          return {
            kind: "ready",
            transport,
            reply: effect.reply,
            capabilities: state.capabilities ?? NO_CAPABILITIES,
            rest: reader.takeRest(),
          };
        case "fail":
          transport.close();
          return {
            kind: "failed",
            stage: this.#stage,
            about: this.#about,
            ...this.#withoutSecrets(effect.failure),
          };
        case "start_tls":
          throw new TypeError("Cannot start TLS twice");
      }
    }
  }

  #invalid({ code, text }: ReplyFault): UpstreamResult {
    const message = code === "too_long"
      ? `upstream sent too long response line: "${this.#quotable(text)}"`
      : `upstream sent invalid response: "${this.#quotable(text)}"`;
    return this.#failed(code, message, null);
  }

  #keepSecret(line: string, plan: UpstreamPlan): void {
    this.#secrets = [...this.#secrets, line.slice(line.lastIndexOf(" ") + 1), plan.auth?.secret ?? ""];
  }

  #withoutSecrets(failure: UpstreamFailure): UpstreamFailure {
    const { reply } = failure;
    if (reply === null || !repeatsSecret(reply.text, this.#secrets)) return failure;
    return { ...failure, message: `${failure.message}: ${reply.code}, ${REPEATED}`, reply: null };
  }

  #quotable(text: string): string {
    return repeatsSecret(text, this.#secrets) ? REPEATED : text;
  }

  #lost(error: unknown): UpstreamResult {
    if (this.#ended === "timeout") return this.#failed("timeout", "upstream timed out", null);
    if (this.#ended === "aborted") return this.#failed("aborted", "the session was ended", null);
    if (error instanceof ConnectionError) return this.#failed(error.code, error.message, null);
    this.#transport?.close();
    throw error;
  }

  #failed(code: string, message: string, reply: Reply | null): UpstreamResult {
    this.#transport?.close();
    return { kind: "failed", stage: this.#stage, about: this.#about, code, message, reply };
  }

  #enter(phase: UpstreamPhase): void {
    const { doing, about } = UPSTREAM_PHASES[phase];
    if (about === "client") this.#about = about;
    this.#doing(doing);
  }

  #doing(label: string): void {
    this.#stage = label;
    this.#request.doing(label);
  }
}

/** A mail server's reply as one of ours; null for none. */
export function passedOn(reply: Reply | null): SpokenReply | null {
  return reply === null ? null : { code: reply.code, bytes: encodeLatin1(reply.text) };
}
