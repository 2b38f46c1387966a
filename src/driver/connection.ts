/**
 * One connection from accept to close.
 *
 * Theory of operation. {@linkcode Connection.serve} walks through the entrance (`entrance.ts`) and then the dialogue: read,
 * frame, step the client machine, perform its effects in order. That is one thread of work, which goes on when what it
 * waits for calls it. While that is the client, as in most of the life of most connections, there is no function that
 * waits: it is the read that calls the connection, as its reader. Whatever ends the session, what was waited for comes to
 * `#stop()`.
 *
 * @module
 */
import { LINE_TOO_LONG, type LineTooLong } from "../grammar/line_framer.ts";
import type { ConnectionError, Reader, Transport, Writer } from "../ports/transport.ts";
import {
  type ClientEffect,
  type ClientEvent,
  type ClientState,
  initialClientState,
  stepClient,
} from "../session/client_machine.ts";
import type { Interruption } from "../session/joint.ts";
import { admitHandshake, startTls } from "./client_handshake.ts";
import { ClientSession } from "./client_session.ts";
import { connectClient } from "./connect_client.ts";
import { enter } from "./entrance.ts";
import type { RosterMember } from "./roster.ts";
import type { ListenerRuntime, Services } from "./runtime.ts";
import { SESSION_OVER } from "./session_over.ts";
import { ask, waitAfterRefusal } from "./sign_in.ts";

/** Replies to pipelined commands are sent together, up to so many octets. */
const OUTPUT_OCTETS = 4_096;

/** Whoever has connections served. One of the two is called for each, once; neither may throw. */
export interface ConnectionOwner {
  /** It has ended, and is closed. */
  over(connection: Connection): void;
  /** It has ended so by a mistake of ours, and is closed. */
  failed(connection: Connection, mistake: unknown): void;
}

/** Serves one accepted connection. */
export class Connection implements Reader, Writer, RosterMember<Connection> {
  // For its owner.
  previous: Connection | null = null;
  next: Connection | null = null;
  readonly #session: ClientSession;
  readonly #owner: ConnectionOwner;
  #state: ClientState = initialClientState(false);

  constructor(accepted: Transport, listener: ListenerRuntime, services: Services, owner: ConnectionOwner) {
    this.#session = new ClientSession(accepted, listener, services);
    this.#owner = owner;
  }

  /** Serves the client, until the owner is told of the end. To be called once; never throws. */
  serve(): void {
    try {
      this.#session.begin();
    } catch (mistake) {
      return this.#fail(mistake);
    }
    try {
      const entered = enter(this.#session);
      if (entered === null) this.#greet();
      else entered.then(() => this.#greet(), (error) => this.#stop(error));
    } catch (error) {
      this.#stop(error);
    }
  }

  /** The process is to end: see {@linkcode ClientSession.drain}. */
  drain(): void {
    this.#session.drain();
  }

  /** Ends the session as the joint table has it for `cause`. */
  interrupt(cause: Interruption): void {
    this.#session.interrupt(cause);
  }

  // The end -----------------------------------------------------------------------------------------------------

  /** The session has ended, or does so by `error`: nothing of it is waited for any more. Never throws. */
  #stop(error: unknown): void {
    const session = this.#session;
    try {
      session.caught(error);
      session.deadline.disarm();
      const { lastWord } = session;
      if (lastWord === null) this.#leave();
      else lastWord.then(() => this.#leave()).catch((mistake) => this.#fail(mistake));
    } catch (mistake) {
      this.#fail(mistake);
    }
  }

  #leave(): void {
    this.#session.release();
    this.#session.leave();
    this.#owner.over(this);
  }

  #fail(mistake: unknown): void {
    try {
      this.#session.release();
    } catch {
      // The first mistake is the one to tell.
    }
    this.#owner.failed(this, mistake);
  }

  // The dialogue ------------------------------------------------------------------------------------------------

  #greet(): void {
    const session = this.#session;
    try {
      session.beginDialogue();
      this.#state = initialClientState(session.transport.tls !== null);
      session.output.push(session.server.rules.replies.greeting);
      this.#listen();
    } catch (error) {
      this.#stop(error);
    }
  }

  /** Goes on with `event`, or with what the client has said. What is thrown ends the session. */
  #goOn(event: ClientEvent | null): void {
    try {
      const waiting = this.#converse(event);
      if (waiting === null) this.#listen();
      else waiting.then((event) => this.#goOn(event), (error) => this.#stop(error));
    } catch (error) {
      this.#stop(error);
    }
  }

  /** Goes on until something has to be waited for; null where that is the client. */
  #converse(event: ClientEvent | null): Promise<ClientEvent | null> | null {
    const session = this.#session;
    while (session.ended === null) {
      event ??= this.#nextEvent();
      if (event === null) return null;
      let next: ClientEvent | null = null;
      for (const effect of this.#step(event)) {
        const done = this.#perform(effect);
        if (done instanceof Promise) return done;
        next = done;
      }
      if (session.output.octets > OUTPUT_OCTETS) return session.flush()!.then(() => next);
      event = next;
    }
    throw SESSION_OVER;
  }

  /** Says what there is to say, and then hears the client. */
  #listen(): void {
    const session = this.#session;
    session.checkOpen();
    if (session.output.octets === 0) this.#read();
    else session.output.flush(session.transport, this);
  }

  /** For the transport: the client is told all that there was to say. */
  written(): undefined {
    this.#session.context.doing = "in auth state";
    this.#read();
  }

  /** For the transport: it cannot be told. */
  notWritten(error: ConnectionError): void {
    this.#stop(error);
  }

  /** Reads the client, unless the session is to end now. */
  #read(): void {
    const session = this.#session;
    try {
      session.endIfDue();
      session.checkOpen();
      session.input.read(session.transport, this);
    } catch (error) {
      this.#stop(error);
    }
  }

  /** For the transport: so much was read. */
  heard(count: number | null): null {
    const session: ClientSession = this.#session;
    try {
      if (count === null) session.over("client_closed");
      session.input.take(count);
      session.log.introduce();
      this.#goOn(null);
    } catch (error) {
      this.#stop(error);
    }
    return null;
  }

  /** For the transport: nothing can be read. */
  lost(error: ConnectionError): null {
    this.#stop(error);
    return null;
  }

  /** The next of what the client has said, or null. */
  #nextEvent(): ClientEvent | null {
    const { input, server: { rules } } = this.#session;
    const line = this.#nextLine();
    if (line === null) {
      const binary = input.beginsBinary && this.#state.phase === "ready" && !rules.compat;
      return binary ? { kind: "binary", begin: input.beginning() } : null;
    }
    if (line === LINE_TOO_LONG) return { kind: "line_too_long", begin: input.beginning() };
    this.#session.armForCommand();
    return { kind: "line", line, more: input.pending > 0 };
  }

  #nextLine(): string | null | LineTooLong {
    const { input, server: { settings } } = this.#session;
    const { phase } = this.#state;
    if (phase === "authenticating" || phase === "challenged") return input.nextResponse();
    return input.nextCommand(settings.smtp_client_buffer);
  }

  #step(event: ClientEvent): readonly ClientEffect[] {
    const { state, effects } = stepClient(this.#state, event, this.#session.server.rules);
    this.#state = state;
    if ("known" in state) this.#session.known = state.known;
    return effects;
  }

  /**
   * Performs one effect. What comes of it, if anything does, is the machine's next event, which may have to be waited for:
   * such an effect is the last of its step.
   */
  #perform(effect: ClientEffect): Promise<ClientEvent | null> | ClientEvent | null {
    const session = this.#session;
    const { log, services: { metrics } } = session;
    switch (effect.do) {
      case "reply":
        session.output.push(effect.reply);
        if (effect.verb !== null) metrics.command(effect.verb, effect.reply.code);
        return null;
      case "note":
        log.note("info", effect.event, effect.message);
        return null;
      case "foreign": {
        const { protocol } = effect;
        metrics.count("not_smtp", protocol);
        log.note("info", "not_smtp", `client does not speak SMTP: ${protocol}`, { protocol });
        return null;
      }
      case "admit_tls":
        return { kind: "tls_admitted", admitted: admitHandshake(session, "starttls") };
      case "start_tls":
        return this.#flushed(() => this.#startTls());
      case "ask":
        return ask(session, effect.question);
      case "wait":
        return waitAfterRefusal(session, effect.milliseconds);
      case "connect":
        return connectClient(session, effect.question, effect.answer);
      case "relay":
        session.enterPhase("relaying", "proxying", session.server.settings.timeout);
        return this.#flushed(() => session.relay!.run());
      case "close":
        return session.close(effect.outcome, effect.linger);
    }
  }

  /** Does `next` once all is said. */
  #flushed<T>(next: () => Promise<T>): Promise<T> {
    const flushed = this.#session.flush();
    return flushed === null ? next() : flushed.then(next);
  }

  #startTls(): Promise<ClientEvent> {
    const session = this.#session;
    const { input, log } = session;
    if (input.pending > 0) {
      const message = "client sent data in clear behind STARTTLS, which is thrown away";
      log.note("warn", "starttls_injection", message);
    }
    // RFC 3207 §4.2 and CVE-2014-3556: what was sent in clear behind STARTTLS must not be read as sent in TLS.
    input.clear();
    session.context.starttls = true;
    return startTls(session).then(() => {
      session.enterCommandPhase();
      return { kind: "tls_started" };
    });
  }
}
