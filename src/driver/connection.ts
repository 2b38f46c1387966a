/**
 * One connection from accept to close.
 *
 * Theory of operation. {@linkcode Connection.run} walks through the entrance (PROXY header, TLS, host name, delay,
 * greeting) and then the dialogue: read, frame, step the client machine, perform its effects in order. One task
 * runs it all; nothing else writes to the client but {@linkcode Connection.interrupt}, which is called by the
 * session's deadline, by a drain and by an abort, and which only ever says a last word and closes. After it
 * `#ended` is set, and the task finds its transport closed and stops.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { quoteText } from "../bytes/latin1.ts";
import { LINE_TOO_LONG, type LineTooLong } from "../grammar/line_framer.ts";
import type { ProxyHeader } from "../grammar/proxy_header.ts";
import { decideOnCertificate } from "../policy/client_certificate.ts";
import type { AuthAnswer, AuthQuestion, ProxyProtocolFacts } from "../ports/auth_backend.ts";
import type { Deadline } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { SessionContext, SessionOutcome } from "../ports/telemetry.ts";
import { ConnectionError, type TlsAcceptor, type Transport } from "../ports/transport.ts";
import {
  type ClientEffect,
  type ClientEvent,
  type ClientQuestion,
  type ClientState,
  initialClientState,
  type Known,
  stepClient,
} from "../session/client_machine.ts";
import { forcedMove, type Interruption, type JointPhase, spoken } from "../session/joint.ts";
import { RelayGuard } from "../session/relay_guard.ts";
import { REPLIES, type SpokenReply } from "../session/replies.ts";
import { shownLine } from "../session/shown_line.ts";
import { ClientInput } from "./client_input.ts";
import { ClientOutput } from "./client_output.ts";
import { GuardedFlow } from "./guarded_flow.ts";
import { countRecipient, tellGuardNote } from "./guard_notes.ts";
import type { HandshakeSlot } from "./handshake_slots.ts";
import { closeLingering } from "./linger.ts";
import { passedOn, type UpstreamResult } from "./open_upstream.ts";
import { isTrusted, readProxyHeader } from "./read_proxy_header.ts";
import { relay, type RelayProgress, type RelayResult } from "./relay.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "./runtime.ts";
import { SessionEnding } from "./session_ending.ts";
import { newSessionContext, SessionLog } from "./session_log.ts";
import { type LimitAnswer, type LimitRefusal, type LoginLeave, SessionLimits } from "./session_limits.ts";
import { SESSION_OVER, SessionOver } from "./session_over.ts";
import type { BoardedSession, SessionFacts } from "./session_board.ts";
import type { HoldEnd } from "./sign_in_holds.ts";
import { type ClientFacts, effectiveLogin, tryRules, upstreamRequest } from "./upstream_request.ts";
import { failureLabel } from "./upstream_stage.ts";
import { openFirstUpstream } from "./upstream_tries.ts";

/** Replies to pipelined commands are sent together, up to so many octets. */
const OUTPUT_OCTETS = 4_096;
/** How long the last word of an interruption may take to be written, milliseconds. */
const LAST_WORD_MS = 5_000;

/** A client that is silent for so long while the process is to end is sent away, milliseconds. */
const DRAIN_IDLE_MS = 1_000;

const NO_OCTETS = new Uint8Array(0);
const NOTHING_RELAYED: RelayProgress = () => [0, 0];

/** RFC 4954 §6: a temporary failure, after which the client may try the same password again. */
const HELD_TOO_LONG: AuthAnswer = Object.freeze({
  kind: "refused",
  text: "Mailbox is being moved, try again later",
  code: "454 4.7.0",
  waitMs: null,
  saslChallenge: null,
});

type ReadyUpstream = Extract<UpstreamResult, { kind: "ready" }>;

/** Serves one accepted connection. */
export class Connection implements BoardedSession {
  readonly #listener: ListenerRuntime;
  readonly #server: ServerRuntime;
  readonly #services: Services;
  readonly #context: SessionContext;
  readonly #log: SessionLog;
  readonly #input: ClientInput;
  readonly #output = new ClientOutput();
  readonly #deadline: Deadline;
  /** Made when something is asked that takes its time: most of a client's life nothing is. */
  #ending: SessionEnding | null = null;
  #transport: Transport;
  #state: ClientState = initialClientState(false);
  /** What the dialogue knew last. */
  #known: Known | null = null;
  #phase: JointPhase = "command";
  #ended: SessionOutcome | null = null;
  #sessionEnd = Number.POSITIVE_INFINITY;
  /** Whether it is to end when its client falls silent, or at the next command. */
  #drain: "when idle" | "now" | null = null;
  /** While one is under way. */
  #handshake: HandshakeSlot | null = null;
  #proxyProtocol: ProxyProtocolFacts | null = null;
  #clientHost = "[UNAVAILABLE]";
  /** Made when something is asked of them: of most idle clients nothing is limited. */
  #limits: SessionLimits | null = null;
  #upstream: ReadyUpstream | null = null;
  #lastWord: Promise<void> | null = null;
  #relayed: RelayResult | null = null;
  /** The relay under the guard: says whether a message is in flight, and answers idle clients. */
  #guarded: GuardedFlow | null = null;
  /** Octets that the relay had passed on when a drain looked at it. */
  #octetsSeen = -1;
  #relayProgress: RelayProgress = NOTHING_RELAYED;

  constructor(accepted: Transport, listener: ListenerRuntime, services: Services) {
    this.#transport = accepted;
    this.#listener = listener;
    this.#server = listener.server;
    this.#services = services;
    this.#input = new ClientInput(services.buffers);
    this.#deadline = services.clock.deadline(() => this.#expire());
    this.#context = newSessionContext(accepted, listener, services);
    this.#log = new SessionLog(listener.server, this.#context, services);
  }

  /** Runs the session to its end. The connection is closed when it settles; it rejects for mistakes of ours only. */
  run(): Promise<void> {
    try {
      this.#begin();
    } catch (error) {
      return Promise.reject(error);
    }
    // An idle session is one function that waits: each takes memory.
    return this.#live().then(() => this.#end(), (error) => this.#endAfter(error));
  }

  #live(): Promise<void> {
    try {
      const entered = this.#enter();
      return entered === null ? this.#dialogue() : entered.then(() => this.#dialogue());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #begin(): void {
    const { metrics, board } = this.#services;
    metrics.connectionOpened(this.#listener.text);
    metrics.moved(null, this.#phase);
    board?.enter(this.#context.id, this);
    if (this.#server.rules.compat) this.#log.introduce();
  }

  #endAfter(error: unknown): Promise<void> | undefined {
    try {
      this.#caught(error);
    } catch (mistake) {
      this.#release();
      throw mistake;
    }
    return this.#end();
  }

  #end(): Promise<void> | undefined {
    // The last word has a deadline of its own.
    this.#deadline.disarm();
    if (this.#lastWord !== null) return this.#lastWord.then(() => this.#leave());
    this.#leave();
  }

  /** Closes and gives back all that the session holds. */
  #release(): void {
    this.#deadline.disarm();
    this.#handshakeOver();
    this.#transport.close();
    this.#upstream?.transport.close();
    this.#limits?.leave();
    this.#input.release();
  }

  #leave(): void {
    this.#release();
    const { metrics, board } = this.#services;
    const outcome = this.#ended ?? "client_closed";
    const seconds = this.#log.end({
      outcome,
      tls: this.#transport.tls,
      relayed: this.#relayed,
      helo: this.#known?.helo ?? "",
      clientHost: this.#server.resolver === null ? null : this.#clientHost,
    });
    metrics.moved(this.#phase, null);
    board?.leave(this.#context.id);
    metrics.connectionClosed(this.#listener.text, outcome, seconds);
  }

  /**
   * The process is to end: what is under way goes on, and once the client says nothing for a second while a command is
   * awaited, it is asked to come back later. In a relay only the guard knows what is awaited.
   */
  drain(): void {
    this.#drain ??= "when idle";
    if (this.#ended !== null) return;
    if (this.#phase === "command") this.#deadline.arm(this.#idleTimeout());
    else this.#drainRelay();
  }

  /** A deadline of the session is over; while it drains, that is how long its client was silent. */
  #expire(): void {
    if (this.#drain !== "when idle") this.interrupt("deadline");
    else if (this.#phase === "command") this.interrupt("drain");
    else if (this.#guarded === null) this.interrupt("deadline");
    else this.#drainRelay();
  }

  /** Ends the relay when nothing was said since it was looked at, and nothing is in flight; else looks again. */
  #drainRelay(): void {
    if (this.#guarded === null) return;
    const [toUpstream, toClient] = this.#relayProgress();
    const octets = toUpstream + toClient;
    if (octets === this.#octetsSeen && !this.#guarded.inFlight) {
      return this.#guarded.drain(this.#server.rules.replies.shutdown);
    }
    this.#octetsSeen = octets;
    this.#deadline.arm(DRAIN_IDLE_MS);
  }

  /** Forces the move that the joint table has for where the session is. */
  interrupt(cause: Interruption): void {
    if (cause === "drain") this.#drain = "now";
    if (this.#ended !== null) return;
    const move = forcedMove(this.#phase, cause);
    if (move.outcome === null) return;
    this.#ended = move.outcome;
    (this.#ending ??= new SessionEnding()).abort();
    // A relay that waits for a mail server to take octets does not notice that its client is gone.
    this.#upstream?.transport.close();
    // nginx closes without a word when the time is over (spec §2.9).
    const silent = this.#server.rules.compat && cause === "deadline";
    const lastWord = silent ? null : spoken(move, this.#server.rules.replies);
    if (lastWord === null) this.#transport.close();
    else this.#sayLast(lastWord);
  }

  /** What an operator may see. */
  facts(): SessionFacts {
    const { id, connection, listener, client, login, upstream, doing } = this.#context;
    const [octetsToUpstream, octetsToClient] = this.#relayProgress();
    return {
      id,
      connection,
      listener,
      client: client.port === 0 ? client.host : formatSocketAddress({ kind: "tcp", ...client }),
      user: login,
      upstream,
      state: this.#phase,
      doing,
      tls: this.#transport.tls?.protocol ?? null,
      since: this.#log.startedAt,
      octetsToUpstream,
      octetsToClient,
    };
  }

  /** Writes `reply` and closes, within a bound of its own. */
  #sayLast(reply: SpokenReply): void {
    const transport = this.#transport;
    // A reply that is half written must not be followed by another: then the close says it all.
    if (this.#output.writing) return transport.close();
    const guard = this.#services.clock.deadline(() => transport.close());
    guard.arm(LAST_WORD_MS);
    this.#lastWord = transport.write(reply.bytes).catch(() => {/* the client is gone */}).then(() => {
      guard.disarm();
      transport.close();
    });
  }

  get #signal(): EndSignal {
    return this.#ending ??= new SessionEnding();
  }

  // The entrance ----------------------------------------------------------------------------------------------

  /** Null where nothing has to be waited for before the greeting. */
  #enter(): Promise<void> | null {
    const { settings: { smtp_greeting_delay }, resolver } = this.#server;
    const { proxy_protocol, ssl } = this.#listener.settings;
    if (proxy_protocol) return this.#readProxyHeader().then(() => this.#enterSlowly(this.#checkLimits()));
    const checked = this.#checkLimits();
    return checked !== null || ssl || resolver !== null || smtp_greeting_delay > 0
      ? this.#enterSlowly(checked)
      : null;
  }

  async #enterSlowly(checked: Promise<void> | null): Promise<void> {
    const { settings } = this.#server;
    if (checked !== null) await checked;
    if (this.#listener.settings.ssl) {
      if (!this.#admitHandshake("implicit")) this.#over("tls_refused");
      await this.#startTls();
    }
    if (this.#server.resolver !== null) await this.#resolve();
    if (settings.smtp_greeting_delay > 0) await this.#delayGreeting();
  }

  #greet(): void {
    const { settings } = this.#server;
    this.#context.doing = "sending client greeting line";
    this.#enterCommandPhase();
    this.#sessionEnd = this.#services.clock.now() +
      (this.#server.rules.compat ? settings.timeout : settings.session_timeout);
    this.#state = initialClientState(this.#transport.tls !== null);
    this.#output.push(this.#server.rules.replies.greeting);
  }

  async #readProxyHeader(): Promise<void> {
    this.#enterPhase("proxy_header", "reading PROXY protocol", this.#server.settings.timeout);
    // Accepted only from whom the operator trusts: anybody else could claim any address.
    if (!isTrusted(this.#server.settings.set_real_ip_from, this.#transport.remote)) {
      this.#log.note(
        "warn",
        "proxy_header_untrusted",
        "connection from an address that set_real_ip_from does not name",
      );
      this.#over("proxy_header");
    }
    const read = await readProxyHeader(this.#transport, this.#input.buffer);
    if (read === null) this.#over("proxy_header");
    const { header, transport } = read;
    if (header.kind === "fault") {
      const { code, text } = header;
      this.#log.note("error", "proxy_header_broken", `broken header: ${quoteText(text)}`, { code });
      this.#over("proxy_header");
    }
    this.#transport = transport;
    this.#takeProxyHeader(header);
  }

  #takeProxyHeader(header: ProxyHeader): void {
    // LOCAL and UNKNOWN carry no address: the connection's own stays.
    if (header.kind !== "addresses") return;
    this.#proxyProtocol = { source: header.source, destination: header.destination };
    this.#context.client = header.source;
  }

  /** Null where the client may go on. */
  #checkLimits(): Promise<void> | null {
    const limits = this.#server.limits?.plan.atEntrance ? this.#limited() : null;
    if (limits === null) return null;
    this.#enterPhase("admitting", "checking limits", null);
    const answer = limits.enter();
    return answer === null ? null : this.#unlessRefused(answer);
  }

  /** The session's place among the limits, once the client's address is known; null where there are none. */
  #limited(): SessionLimits | null {
    const { limits, rules } = this.#server;
    if (limits === null || this.#limits !== null) return this.#limits;
    const ports = { replies: rules.replies, log: this.#log, metrics: this.#services.metrics };
    return this.#limits = new SessionLimits(limits, this.#context.client.host, ports);
  }

  async #unlessRefused(answer: LimitRefusal | Promise<LimitRefusal | null>): Promise<void> {
    const refusal = await answer;
    if (this.#ended !== null) throw SESSION_OVER;
    if (refusal === null) return;
    // A handshake, only to say no, costs what the limit is to save; in clear it could not be read.
    if (this.#listener.settings.ssl) this.#over(refusal.outcome);
    await this.#refuseAtEntrance(refusal.reply, refusal.outcome);
  }

  /** Whether one more handshake may be under way; {@linkcode #startTls} ends the one that is admitted. */
  #admitHandshake(mode: "starttls" | "implicit"): boolean {
    const { handshakes } = this.#server;
    this.#handshake = handshakes.take(this.#services.clock.now(), () => this.interrupt("deadline"));
    if (this.#handshake !== null) return true;
    this.#services.metrics.count("tls_refused", mode);
    this.#log.note("warn", "tls_refused", "too many TLS handshakes are under way (ssl_max_handshakes)");
    return false;
  }

  #handshakeOver(): void {
    if (this.#handshake !== null) this.#server.handshakes.give(this.#handshake);
    this.#handshake = null;
  }

  async #startTls(): Promise<void> {
    const { tls, settings } = this.#server;
    if (tls === null) throw new TypeError("Cannot start TLS: the server has no certificate");
    const timeoutMs = Math.min(settings.ssl_handshake_timeout, this.#commandTimeout());
    this.#enterPhase("handshake", "SSL handshaking", timeoutMs);
    const { clock, metrics } = this.#services;
    const began = clock.now();
    try {
      this.#transport = await tls.accept(this.#transport);
    } catch (error) {
      const lost = this.#ended === null && error instanceof ConnectionError ? error : null;
      if (lost?.code === "silent" && !this.#log.introduced) this.#over("client_closed");
      metrics.tlsHandshake("client", false);
      if (lost === null) throw error;
      this.#log.note("info", "tls_failed", `TLS handshake failed: ${lost.message}`, { code: lost.code });
      this.#over("tls_failed");
    } finally {
      this.#handshakeOver();
    }
    if (this.#ended !== null) throw SESSION_OVER;
    this.#log.introduce();
    metrics.tlsHandshake("client", true);
    metrics.observe("tls_handshake_duration_seconds", (clock.now() - began) / 1000);
    this.#countTls(tls);
    const refused = this.#judgeCertificate();
    if (refused !== null) await refused;
  }

  #countTls(acceptor: TlsAcceptor): void {
    const { tls } = this.#transport;
    if (tls === null) return;
    const { metrics } = this.#services;
    metrics.count("tls_sessions", `${tls.protocol}|${tls.cipher}`);
    const { serverName } = tls;
    metrics.count(
      "tls_server_names",
      serverName === null ? "missing" : acceptor.knows(serverName) ? "known" : "unknown",
    );
  }

  /** Null where the client may go on. */
  #judgeCertificate(): Promise<never> | null {
    const { tls } = this.#transport;
    if (tls === null) return null;
    const decision = decideOnCertificate(this.#server.settings.ssl_verify_client, tls.verdict);
    if (decision.kind === "missing") {
      this.#log.note("info", "certificate_missing", "client sent no required SSL certificate");
      return this.#refuseAtEntrance(REPLIES.noCertificate, "certificate");
    }
    if (decision.kind === "refused") {
      const { reason } = decision;
      const message = `client SSL certificate verify error: (${reason})`;
      this.#log.note("info", "certificate_refused", message, { reason });
      return this.#refuseAtEntrance(REPLIES.badCertificate, "certificate");
    }
    return null;
  }

  async #resolve(): Promise<void> {
    this.#enterPhase("resolving", "in resolving client address", null);
    this.#clientHost = await this.#server.resolver!.clientHost(this.#context.client.host, this.#signal);
    if (this.#ended !== null) throw SESSION_OVER;
  }

  /** Waits before the greeting; a client that talks meanwhile is no mail client (spec §2.7). */
  async #delayGreeting(): Promise<void> {
    this.#enterPhase("greeting_delay", "in delay pipelining state", null);
    const read = this.#input.begin(this.#transport);
    const { promise: delayed, resolve } = Promise.withResolvers<"delayed">();
    const delay = this.#services.clock.deadline(() => resolve("delayed"));
    delay.arm(this.#server.settings.smtp_greeting_delay);
    try {
      const first = await Promise.race([read, delayed]);
      if (this.#ended !== null) throw SESSION_OVER;
      if (first === "delayed") return;
      if (first === null) this.#over("client_closed");
      const said = shownLine(this.#input.finished(first));
      this.#log.note("info", "early_talker", `client was rejected before greeting: ${said}`);
      await this.#refuseAtEntrance(REPLIES.earlyTalker, "early_talker");
    } finally {
      delay.disarm();
    }
  }

  async #refuseAtEntrance(reply: SpokenReply, outcome: SessionOutcome): Promise<never> {
    this.#deadline.arm(this.#server.settings.timeout);
    this.#setPhase("command");
    this.#output.push(reply);
    return await this.#close(outcome, true);
  }

  // The dialogue ----------------------------------------------------------------------------------------------

  async #dialogue(): Promise<void> {
    this.#greet();
    const greeted = this.#flush();
    if (greeted !== null) await greeted;
    this.#context.doing = "in auth state";
    let event: ClientEvent | null = null;
    while (this.#ended === null) {
      event ??= this.#heard();
      if (event === null) {
        const flushed = this.#flush();
        if (flushed !== null) await flushed;
        this.#expectMore();
        this.#take(await this.#input.read(this.#transport));
        continue;
      }
      const effects = this.#step(event);
      event = null;
      // By number: an iterator would be kept while nothing is said.
      for (let at = 0; at < effects.length; at++) {
        const done = this.#perform(effects[at]!);
        if (done !== null) event = await done;
      }
    }
  }

  /** The next of what the client has said, or null. */
  #heard(): ClientEvent | null {
    const line = this.#nextLine();
    if (line === null) {
      const binary = this.#input.beginsBinary && this.#state.phase === "ready" && !this.#server.rules.compat;
      return binary ? { kind: "binary", begin: this.#input.beginning() } : null;
    }
    if (line === LINE_TOO_LONG) return { kind: "line_too_long", begin: this.#input.beginning() };
    this.#deadline.arm(this.#idleTimeout());
    return { kind: "line", line, more: this.#input.pending > 0 };
  }

  #nextLine(): string | null | LineTooLong {
    const { phase } = this.#state;
    if (phase === "authenticating" || phase === "challenged") return this.#input.nextResponse();
    return this.#input.nextCommand(this.#server.settings.smtp_client_buffer);
  }

  /** The client is to be read, unless the session is to end now. */
  #expectMore(): void {
    if (this.#drain === "now") this.interrupt("drain");
    if (this.#ended !== null) throw SESSION_OVER;
  }

  #take(count: number | null): void {
    if (count === null) this.#over("client_closed");
    this.#input.take(count);
    this.#log.introduce();
  }

  #step(event: ClientEvent): readonly ClientEffect[] {
    const { state, effects } = stepClient(this.#state, event, this.#server.rules);
    this.#state = state;
    if ("known" in state) this.#known = state.known;
    return effects;
  }

  /**
   * Performs one effect; null where nothing has to be waited for. What comes of it is the machine's next event: such an
   * effect is the last of its step.
   */
  #perform(effect: ClientEffect): Promise<ClientEvent | null> | Promise<null> | null {
    switch (effect.do) {
      case "reply":
        this.#output.push(effect.reply);
        if (effect.verb !== null) this.#services.metrics.command(effect.verb, effect.reply.code);
        return this.#output.octets > OUTPUT_OCTETS ? this.#flush()!.then(() => null) : null;
      case "note":
        this.#log.note("info", effect.event, effect.message);
        return null;
      case "foreign":
        this.#services.metrics.count("not_smtp", effect.protocol);
        this.#log.note("info", "not_smtp", `client does not speak SMTP: ${effect.protocol}`, {
          protocol: effect.protocol,
        });
        return null;
      case "admit_tls":
        return Promise.resolve({ kind: "tls_admitted", admitted: this.#admitHandshake("starttls") });
      case "start_tls":
        return this.#upgrade();
      case "ask":
        return this.#ask(effect.question);
      case "wait":
        return this.#wait(effect.milliseconds);
      case "connect":
        return this.#connect(effect.question, effect.answer);
      case "relay":
        return this.#relay();
      case "close":
        return this.#close(effect.outcome, effect.linger);
    }
  }

  #upgrade(): Promise<ClientEvent> {
    const flushed = this.#flush();
    return flushed === null ? this.#secure() : flushed.then(() => this.#secure());
  }

  #secure(): Promise<ClientEvent> {
    if (this.#input.pending > 0) {
      this.#log.note(
        "warn",
        "starttls_injection",
        "client sent data in clear behind STARTTLS, which is thrown away",
      );
    }
    // RFC 3207 §4.2 and CVE-2014-3556: what was sent in clear behind STARTTLS must not be read as sent in TLS.
    this.#input.clear();
    this.#context.starttls = true;
    return this.#startTls().then(() => {
      this.#enterCommandPhase();
      return { kind: "tls_started" };
    });
  }

  async #ask(question: ClientQuestion): Promise<ClientEvent> {
    const flushed = this.#flush();
    if (flushed !== null) await flushed;
    if (this.#ended !== null) throw SESSION_OVER;
    this.#log.asked(question);
    const limits = this.#limited();
    if (limits !== null) {
      const allowed = this.#mayAsk(limits, question);
      const refusal = allowed instanceof Promise ? await allowed : allowed;
      if (this.#ended !== null) throw SESSION_OVER;
      if (refusal !== null) return this.#turnAway(refusal);
    }
    let answer =
      await (this.#isHeld(question.user)
        ? this.#askOnceReleased(question.user, question)
        : this.#askService(question));
    // The service may know him by another name.
    const user = loginOf(question, answer);
    if (this.#isHeld(user)) answer = await this.#askOnceReleased(user, question);
    this.#log.answer(answer, question);
    if (limits !== null) {
      const counted = limits.answered(question, answer, loginOf(question, answer));
      const refusal = counted instanceof Promise ? await counted : counted;
      if (this.#ended !== null) throw SESSION_OVER;
      if (refusal !== null) return this.#turnAway(refusal);
    }
    // While the answer is waited for no deadline of the session runs (spec §2.9); now it does again.
    if (answer.kind !== "accepted") this.#enterCommandPhaseAfresh();
    return { kind: "answered", answer };
  }

  /** Asks once the user is not held back: whoever is held moves, and the answer of before is no longer true. */
  async #askOnceReleased(user: string, question: ClientQuestion): Promise<AuthAnswer> {
    return await this.#heldBack(user) === "late" ? HELD_TOO_LONG : await this.#askService(question);
  }

  #isHeld(user: string): boolean {
    const { holds } = this.#services;
    return holds !== null && user !== "" && holds.has(user);
  }

  async #heldBack(user: string): Promise<HoldEnd> {
    const { holds, clock } = this.#services;
    this.#enterPhase("waiting", "held back", null);
    this.#log.note("notice", "sign_in_held", "sign-in waits until the operator releases the user");
    const end = await holds!.wait(user, clock, this.#signal);
    if (this.#ended !== null) throw SESSION_OVER;
    return end;
  }

  #authQuestion(question: ClientQuestion): AuthQuestion {
    return {
      ...question,
      client: this.#context.client,
      server: this.#transport.local,
      clientHost: this.#clientHost,
      proxyProtocol: this.#proxyProtocol,
      tls: this.#transport.tls,
      sessionId: this.#context.id,
      traceparent: this.#log.traceparent,
    };
  }

  #askService(question: ClientQuestion): Promise<AuthAnswer> {
    this.#enterPhase("asking", "in http auth state", null);
    const { clock, metrics } = this.#services;
    const asked = clock.now();
    return this.#server.auth.ask(this.#authQuestion(question), this.#signal).then((answer) => {
      if (this.#ended !== null) throw SESSION_OVER;
      metrics.auth(question.method, answer.kind, (clock.now() - asked) / 1000);
      if (answer.kind === "failed") metrics.count("callout_failures", answer.code);
      return answer;
    });
  }

  /** Whether limits let the question be asked: null when they do. */
  #mayAsk(limits: SessionLimits, question: ClientQuestion): LimitAnswer {
    this.#enterPhase("asking", "checking limits", null);
    if (question.method === "none") return limits.send("messageAndRecipient");
    const leave = limits.beforeLogin(question);
    if (leave instanceof Promise || leave.kind === "may" && leave.delayMs > 0) {
      return this.#waitForLeave(leave);
    }
    return leave.kind === "may" ? null : leave.refusal;
  }

  /** Waits until a login may be tried, as after failed ones. */
  async #waitForLeave(leaving: LoginLeave | Promise<LoginLeave>): Promise<LimitRefusal | null> {
    const leave = await leaving;
    if (leave.kind !== "may") return leave.refusal;
    if (leave.delayMs > 0 && this.#ended === null) {
      this.#enterPhase("waiting", "in auth state", null);
      await this.#services.clock.sleep(leave.delayMs, this.#signal);
    }
    return null;
  }

  #turnAway({ reply, outcome, close }: LimitRefusal): ClientEvent {
    this.#enterCommandPhaseAfresh();
    return { kind: "limited", reply, outcome, close };
  }

  async #wait(milliseconds: number): Promise<ClientEvent> {
    this.#enterPhase("waiting", "in auth state", null);
    await this.#services.clock.sleep(milliseconds, this.#signal);
    if (this.#ended !== null) throw SESSION_OVER;
    this.#enterCommandPhaseAfresh();
    return { kind: "waited" };
  }

  #connect(
    question: ClientQuestion,
    answer: Extract<AuthAnswer, { kind: "accepted" }>,
  ): Promise<ClientEvent> {
    this.#enterPhase("connecting", "connecting to upstream", null);
    const login = effectiveLogin(question, answer);
    this.#context.login = login === "" ? null : login;
    const { clock, metrics } = this.#services;
    const began = clock.now();
    const facts = this.#clientFacts();
    const { dialer } = this.#server;
    return openFirstUpstream(
      answer.upstreams,
      (target) => ({
        ...upstreamRequest(this.#server, facts, question, answer, target),
        doing: (label) => this.#context.doing = label,
        connected: () => metrics.observe("upstream_connect_duration_seconds", (clock.now() - began) / 1000),
        handshake: (ok) => metrics.tlsHandshake("upstream", ok),
      }),
      tryRules(this.#server.settings),
      {
        trying: (server) => this.#context.upstream = formatSocketAddress(server),
        failedOver: (failure) => {
          metrics.count("upstream_failures", failureLabel(failure));
          metrics.count("upstream_failovers", failureLabel(failure));
          this.#log.upstreamFailover(failure);
        },
        resting: (address, rests) => {
          metrics.count("upstream_rests", rests ? "began" : "ended");
          this.#log.upstreamResting(address, rests);
        },
      },
      dialer === null ? this.#services : { ...this.#services, dialer },
      this.#signal,
    ).then((result) => {
      const seconds = (clock.now() - began) / 1000;
      metrics.upstream(result.kind === "ready", result.kind === "ready" ? "ready" : result.stage, seconds);
      return this.#connected(result, question);
    });
  }

  #connected(result: UpstreamResult, question: ClientQuestion): ClientEvent {
    const { metrics } = this.#services;
    if (result.kind === "ready") {
      this.#upstream = result;
      if (this.#ended !== null) throw SESSION_OVER;
      this.#log.upstreamReady(result.transport);
      return { kind: "upstream_ready", rcptReply: passedOn(result.reply) };
    }
    if (this.#ended !== null) throw SESSION_OVER;
    // Another answer may be right by now: another password, another mail server.
    this.#server.auth.forget?.(this.#authQuestion(question));
    metrics.count("upstream_failures", failureLabel(result));
    this.#log.upstreamFailure(result);
    this.#enterCommandPhase();
    // Only a refusal can be passed on: a 2xx or 3xx of a step that the client never took would say the wrong thing.
    const pass = this.#server.settings.proxy_pass_error_message && (result.reply?.code ?? 0) >= 400;
    return { kind: "upstream_failed", reply: pass ? passedOn(result.reply) : null };
  }

  #clientFacts(): ClientFacts {
    return {
      client: this.#context.client,
      clientHost: this.#clientHost,
      local: this.#transport.local,
      tls: this.#transport.tls,
      helo: this.#known?.helo ?? "",
      esmtp: this.#known?.esmtp ?? false,
    };
  }

  #relay(): Promise<null> {
    this.#enterPhase("relaying", "proxying", this.#server.settings.timeout);
    const flushed = this.#flush();
    return flushed === null
      ? this.#relayOn(this.#upstream!)
      : flushed.then(() => this.#relayOn(this.#upstream!));
  }

  #relayOn(upstream: ReadyUpstream): Promise<null> {
    this.#deadline.disarm();
    this.#input.release();
    const { clock, metrics } = this.#services;
    const began = clock.now();
    this.#guarded = this.#guard(upstream);
    if (this.#drain !== null) this.#drainRelay();
    return relay(
      this.#transport,
      upstream.transport,
      {
        fromClient: this.#input.takeRest(),
        // nginx answers 235 in its own words and throws away what stood behind the mail server's (spec §4.7).
        fromUpstream: this.#server.rules.compat && upstream.reply === null ? NO_OCTETS : upstream.rest,
        timeoutMs: this.#server.settings.proxy_timeout,
        halfClose: !this.#server.rules.compat,
        guarded: this.#guarded,
        began: (progress) => this.#relayProgress = progress,
      },
      this.#services,
    ).then((result) => {
      this.#deadline.disarm();
      this.#relayed = result;
      this.#log.relayEnd(result);
      metrics.observe("relay_duration_seconds", (clock.now() - began) / 1000);
      metrics.relayed("to_upstream", result.octetsToUpstream);
      metrics.relayed("to_client", result.octetsToClient);
      this.#ended ??= relayOutcome(result);
      return null;
    });
  }

  /** What the relay goes through; null with `smtp_guard off`. */
  #guard(upstream: ReadyUpstream): GuardedFlow | null {
    const { guard: rules, settings } = this.#server;
    if (rules === null) return null;
    const admission = this.#limited()?.admission ?? null;
    const { clock, metrics } = this.#services;
    const known = this.#known;
    if (upstream.reply !== null) countRecipient(upstream.reply.code, metrics);
    const guard = new RelayGuard(
      rules,
      {
        offered: upstream.capabilities,
        envelope: upstream.reply === null ? null : { mail: known?.mail ?? "", rcptCode: upstream.reply.code },
        asks: admission !== null,
      },
      clock.now(),
    );
    return new GuardedFlow(this.#transport, upstream.transport, {
      guard,
      dataTimeoutMs: settings.smtp_data_timeout,
      minDataRate: settings.smtp_min_data_rate,
      admit: ({ kind, path }) => admission?.[kind](this.#context, path) ?? null,
      note: (note) => tellGuardNote(note, this.#log, metrics),
    }, clock);
  }

  async #close(outcome: SessionOutcome, linger: boolean): Promise<never> {
    await this.#flush();
    if (linger || this.#input.pending > 0) {
      // It is said and done: nothing that comes while the client is waited for makes it another end.
      this.#ended = outcome;
      this.#deadline.disarm();
      await closeLingering(this.#transport, this.#services.clock);
    } else {
      await this.#transport.closeWrite();
    }
    this.#over(outcome);
  }

  // Output, phases, the end -------------------------------------------------------------------------------------

  /** Writes what is to be said; null when that is nothing. */
  #flush(): Promise<void> | null {
    if (this.#output.octets === 0) return null;
    if (this.#ended !== null) throw SESSION_OVER;
    return this.#output.flush(this.#transport);
  }

  #enterCommandPhase(): void {
    this.#enterPhase("command", "in auth state", this.#idleTimeout());
  }

  /** After a login that failed; in nginx the whole time begins again (spec §2.9). */
  #enterCommandPhaseAfresh(): void {
    if (this.#server.rules.compat) {
      this.#sessionEnd = this.#services.clock.now() + this.#server.settings.timeout;
    }
    this.#enterCommandPhase();
  }

  #idleTimeout(): number {
    const timeout = this.#commandTimeout();
    return this.#drain === null ? timeout : Math.min(timeout, DRAIN_IDLE_MS);
  }

  /** `timeout` for each command, but no longer than what is left of `session_timeout`. */
  #commandTimeout(): number {
    const left = this.#sessionEnd - this.#services.clock.now();
    return Math.max(1, Math.min(this.#server.settings.timeout, left));
  }

  #setPhase(phase: JointPhase): void {
    this.#services.metrics.moved(this.#phase, phase);
    this.#phase = phase;
  }

  #enterPhase(phase: JointPhase, doing: string, timeoutMs: number | null): void {
    this.#setPhase(phase);
    this.#log.enter(phase);
    this.#context.doing = doing;
    if (timeoutMs === null) this.#deadline.disarm();
    else this.#deadline.arm(timeoutMs);
  }

  #over(outcome: SessionOutcome): never {
    this.#ended ??= outcome;
    throw SESSION_OVER;
  }

  #caught(error: unknown): void {
    if (error instanceof SessionOver || this.#ended !== null) return;
    if (error instanceof ConnectionError) {
      this.#ended = "client_closed";
      // Of one who said nothing it is only told that he was there.
      if (this.#log.introduced) {
        this.#log.note("info", "client_lost", error.message, { code: error.code });
      }
      return;
    }
    this.#ended = "internal_error";
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#log.note("crit", "internal_error", text);
    if (forcedMove(this.#phase, "abort").say !== null) this.#sayLast(REPLIES.internalError);
  }
}

/** Who has signed in; empty for nobody. */
function loginOf(question: ClientQuestion, answer: AuthAnswer): string {
  return answer.kind === "accepted" ? effectiveLogin(question, answer) : "";
}

function relayOutcome(result: RelayResult): SessionOutcome {
  if (result.byGuard === "refused") return "relay_refused";
  if (result.byGuard === "drained") return "shutdown";
  if (result.timedOut) return "relay_timeout";
  return result.reset !== null ? "relay_lost" : "relayed";
}
