/**
 * The session of one client: what it is with, where it is, and how it ends. Who serves the client, before the greeting
 * (`entrance.ts`) and from then on (`connection.ts`), does so through it.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { ProxyProtocolFacts } from "../ports/auth_backend.ts";
import type { Deadline } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { SessionContext, SessionOutcome } from "../ports/telemetry.ts";
import { ConnectionError, type Transport } from "../ports/transport.ts";
import type { Known } from "../session/client_machine.ts";
import { forcedMove, type Interruption, type JointPhase, spoken } from "../session/joint.ts";
import { REPLIES, type SpokenReply } from "../session/replies.ts";
import { ClientInput } from "./client_input.ts";
import { ClientOutput } from "./client_output.ts";
import type { HandshakeSlot } from "./handshake_slots.ts";
import { closeLingering } from "./linger.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "./runtime.ts";
import type { BoardedSession, SessionFacts } from "./session_board.ts";
import { SessionEnding } from "./session_ending.ts";
import { SessionLimits } from "./session_limits.ts";
import { newSessionContext, SessionLog } from "./session_log.ts";
import { SESSION_OVER, SessionOver } from "./session_over.ts";
import type { SessionRelay } from "./session_relay.ts";

/**
 * While the process is to end, a client that says nothing for so long is sent away, before the relay as in it, where nothing
 * is under way for it; milliseconds.
 */
const DRAIN_IDLE_MS = 1_000;
/** How long the last word of an interruption may take to be written, milliseconds. */
const LAST_WORD_MS = 5_000;

const NOTHING_RELAYED = [0, 0] as const;

/**
 * Nothing writes to the client but who serves it, and the last word of a session that a deadline, a drain, an operator or
 * a mistake of ours ends. After it the session is {@linkcode ended} and its transport closed, which whoever waits for
 * something finds.
 */
export class ClientSession implements BoardedSession {
  // For the board.
  previous: BoardedSession | null = null;
  next: BoardedSession | null = null;
  readonly listener: ListenerRuntime;
  readonly services: Services;
  readonly context: SessionContext;
  readonly log: SessionLog;
  readonly input: ClientInput;
  readonly output = new ClientOutput();
  readonly deadline: Deadline;
  transport: Transport;
  /** What the dialogue knew last. */
  known: Known | null = null;
  /** What a PROXY header said. */
  proxyProtocol: ProxyProtocolFacts | null = null;
  clientHost = "[UNAVAILABLE]";
  /** The handshake that is under way. */
  handshake: HandshakeSlot | null = null;
  /** Once the mail server is ready. */
  relay: SessionRelay | null = null;
  #phase: JointPhase = "command";
  #ended: SessionOutcome | null = null;
  /** Made when something is asked that takes its time: most of a client's life nothing is. */
  #ending: SessionEnding | null = null;
  #lastWord: Promise<void> | null = null;
  /** When the time of the session is over: `session_timeout`, in nginx `timeout`. */
  #endsAt = Number.POSITIVE_INFINITY;
  /** Whether it is to end when its client falls silent, or at the next command. */
  #drain: "when idle" | "now" | null = null;
  /** Made when something is asked of them: of most idle clients nothing is limited. */
  #limits: SessionLimits | null = null;

  constructor(accepted: Transport, listener: ListenerRuntime, services: Services) {
    this.transport = accepted;
    this.listener = listener;
    this.services = services;
    this.input = new ClientInput(services.buffers);
    this.deadline = services.clock.deadline(() => this.#expire());
    this.context = newSessionContext(accepted, listener, services);
    this.log = new SessionLog(listener.server, this.context, services);
  }

  get id(): string {
    return this.context.id;
  }

  get server(): ServerRuntime {
    return this.listener.server;
  }

  /** How it has ended; null while it has not. */
  get ended(): SessionOutcome | null {
    return this.#ended;
  }

  /** Whether the process is to end. */
  get draining(): boolean {
    return this.#drain !== null;
  }

  /** Tells of the end, for who waits for something else than the client. */
  get signal(): EndSignal {
    return this.#ending ??= new SessionEnding();
  }

  /** The session's place among the limits, once the client's address is known; null where there are none. */
  limited(): SessionLimits | null {
    const { limits, rules } = this.server;
    if (limits === null || this.#limits !== null) return this.#limits;
    const ports = { replies: rules.replies, log: this.log, metrics: this.services.metrics };
    return this.#limits = new SessionLimits(limits, this.context.client.host, ports);
  }

  /** What an operator may see. */
  facts(): SessionFacts {
    const { id, connection, listener, client, login, upstream, doing } = this.context;
    const [octetsToUpstream, octetsToClient] = this.relay?.progress ?? NOTHING_RELAYED;
    return {
      id,
      connection,
      listener,
      client: client.port === 0 ? client.host : formatSocketAddress({ kind: "tcp", ...client }),
      user: login,
      upstream,
      state: this.#phase,
      doing,
      tls: this.transport.tls?.protocol ?? null,
      since: this.log.startedAt,
      octetsToUpstream,
      octetsToClient,
    };
  }

  // Where it is -------------------------------------------------------------------------------------------------

  /** It begins. */
  begin(): void {
    const { metrics, board } = this.services;
    metrics.connectionOpened(this.listener.text);
    metrics.moved(null, this.#phase);
    board?.enter(this);
    if (this.server.rules.compat) this.log.introduce();
  }

  /** The client is to be greeted, which begins the time that a session may take. */
  beginDialogue(): void {
    this.#endsAt = this.services.clock.now() + this.#longest;
    this.enterCommandPhase();
    this.context.doing = "sending client greeting line";
  }

  enterCommandPhase(): void {
    this.enterPhase("command", "in auth state", this.#idleTimeout());
  }

  /** After a login that failed; in nginx the whole time begins again (spec §2.9). */
  enterCommandPhaseAfresh(): void {
    if (this.server.rules.compat) this.#endsAt = this.services.clock.now() + this.#longest;
    this.enterCommandPhase();
  }

  /** A command has come: the time for the next one begins. */
  armForCommand(): void {
    this.deadline.arm(this.#idleTimeout());
  }

  #setPhase(phase: JointPhase): void {
    this.services.metrics.moved(this.#phase, phase);
    this.#phase = phase;
  }

  /** `doing` is what the log says; no time runs where `timeoutMs` is null. */
  enterPhase(phase: JointPhase, doing: string, timeoutMs: number | null): void {
    this.#setPhase(phase);
    this.log.enter(phase);
    this.context.doing = doing;
    if (timeoutMs === null) this.deadline.disarm();
    else this.deadline.arm(timeoutMs);
  }

  /** `timeout` for each command, but no longer than what is left of `session_timeout`; milliseconds. */
  commandTimeout(): number {
    const left = this.#endsAt - this.services.clock.now();
    return Math.max(1, Math.min(this.server.settings.timeout, left));
  }

  get #longest(): number {
    const { rules, settings } = this.server;
    return rules.compat ? settings.timeout : settings.session_timeout;
  }

  #idleTimeout(): number {
    const timeout = this.commandTimeout();
    return this.#drain === null ? timeout : Math.min(timeout, DRAIN_IDLE_MS);
  }

  /**
   * Writes what is to be said; null when that is nothing.
   * @throws {SessionOver} at once, and {@linkcode ConnectionError} as a rejection.
   */
  flush(): Promise<void> | null {
    if (this.output.octets === 0) return null;
    this.checkOpen();
    return this.output.flush(this.transport);
  }

  // How it ends ---------------------------------------------------------------------------------------------------

  /**
   * For who is about to go on.
   * @throws {SessionOver} when it has ended.
   */
  checkOpen(): void {
    if (this.#ended !== null) throw SESSION_OVER;
  }

  /** It ends so, unless it has ended. */
  end(outcome: SessionOutcome): void {
    this.#ended ??= outcome;
  }

  /** The same for who cannot go on. */
  over(outcome: SessionOutcome): never {
    this.end(outcome);
    throw SESSION_OVER;
  }

  /** Says what there is to say and closes, without losing it. */
  async close(outcome: SessionOutcome, linger: boolean): Promise<never> {
    await this.flush();
    if (linger || this.input.pending > 0) {
      // It is said and done: nothing that comes while the client is waited for makes it another end.
      this.#ended = outcome;
      this.deadline.disarm();
      await closeLingering(this.transport, this.services.clock);
    } else {
      await this.transport.closeWrite();
    }
    this.over(outcome);
  }

  /** Refuses the client before the greeting, or right behind its handshake. */
  async refuse(reply: SpokenReply, outcome: SessionOutcome): Promise<never> {
    this.deadline.arm(this.server.settings.timeout);
    this.#setPhase("command");
    this.output.push(reply);
    return await this.close(outcome, true);
  }

  /**
   * The process is to end: what is under way goes on, and once the client says nothing for a second while a command is
   * awaited, it is asked to come back later. In a relay only the guard knows what is awaited.
   */
  drain(): void {
    this.#drain ??= "when idle";
    if (this.#ended !== null) return;
    if (this.#phase === "command") this.deadline.arm(this.#idleTimeout());
    else this.relay?.drain();
  }

  /** Once nothing is under way: a drain that had to wait for that is due. */
  endIfDue(): void {
    if (this.#drain === "now") this.interrupt("drain");
  }

  /** While the process is to end: has a relay looked at again after as long as a client may be silent. */
  lookAgain(): void {
    this.deadline.arm(DRAIN_IDLE_MS);
  }

  /** A deadline of the session is over; while it drains, that is how long its client was silent. */
  #expire(): void {
    if (this.#drain !== "when idle") this.interrupt("deadline");
    else if (this.#phase === "command") this.interrupt("drain");
    else if (this.relay?.isGuarded) this.relay.drain();
    else this.interrupt("deadline");
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
    this.relay?.close();
    // nginx closes without a word when the time is over (spec §2.9).
    const silent = this.server.rules.compat && cause === "deadline";
    const lastWord = silent ? null : spoken(move, this.server.rules.replies);
    if (lastWord === null) this.transport.close();
    else this.#sayLast(lastWord);
  }

  /** Whatever was waited for has thrown `error`. Where the session had not ended, it has now. */
  caught(error: unknown): void {
    if (error instanceof SessionOver || this.#ended !== null) return;
    if (error instanceof ConnectionError) {
      this.#ended = "client_closed";
      // Of one who said nothing it is only told that he was there.
      if (this.log.introduced) {
        this.log.note("info", "client_lost", error.message, { code: error.code });
      }
      return;
    }
    this.#ended = "internal_error";
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    this.log.note("crit", "internal_error", text);
    if (forcedMove(this.#phase, "abort").say !== null) this.#sayLast(REPLIES.internalError);
  }

  /** Writes `reply` and closes, within a bound of its own. */
  #sayLast(reply: SpokenReply): void {
    const { transport } = this;
    // A reply that is half written must not be followed by another: then the close says it all.
    if (this.output.writing) return transport.close();
    const guard = this.services.clock.deadline(() => transport.close());
    guard.arm(LAST_WORD_MS);
    this.#lastWord = transport.write(reply.bytes).catch(() => {/* the client is gone */}).then(() => {
      guard.disarm();
      transport.close();
    });
  }

  /** Settles when the last word is said; null where there is none. It has a deadline of its own. */
  get lastWord(): Promise<void> | null {
    return this.#lastWord;
  }

  /** Closes and gives back all that the session holds. */
  release(): void {
    this.transport.close();
    this.relay?.close();
    this.deadline.disarm();
    this.handshakeOver();
    this.#limits?.leave();
    this.input.release();
  }

  handshakeOver(): void {
    const { handshake } = this;
    this.handshake = null;
    if (handshake !== null) this.server.handshakes.give(handshake);
  }

  /** It has ended and is released: everybody is told. */
  leave(): void {
    const { metrics, board } = this.services;
    const outcome = this.#ended ?? "client_closed";
    const seconds = this.log.end({
      outcome,
      tls: this.transport.tls,
      relayed: this.relay?.result ?? null,
      helo: this.known?.helo ?? "",
      clientHost: this.server.resolver === null ? null : this.clientHost,
    });
    metrics.moved(this.#phase, null);
    board?.leave(this);
    metrics.connectionClosed(this.listener.text, outcome, seconds);
  }
}
