/**
 * Postern's server role: what a client says, and what follows.
 *
 * Theory of operation. {@linkcode stepClient} is a pure function from a state and an event to the next state and
 * a list of effects; the order of the list is the order on the wire. A field lives in the phase where it has
 * meaning: credentials exist only in the question that carries them to the callout, so no command has to remember
 * to forget them. What outlives a command is in {@linkcode Known}, and STARTTLS makes a new one.
 *
 * @module
 */
import { type Command, parseCommand, parseSaslResponse, type Verb } from "../grammar/command.ts";
import { type ForeignProtocol, foreignProtocol } from "../grammar/foreign_protocol.ts";
import { readMail } from "../grammar/relayed_command.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { SessionOutcome } from "../ports/telemetry.ts";
import { end, foreign, outOfStep, sentAway, tooManyCommands } from "./client_ending.ts";
import { mayFollow, type Pipelining } from "./pipelining.ts";
import { DEFAULT_REFUSAL_CODE, REPLIES, reply, type ServerReplies, type SpokenReply } from "./replies.ts";
import { shownLine } from "./shown_line.ts";
import { beginExchange, continueExchange, type Exchange, type ExchangeStep } from "./sasl_exchange.ts";

/** What the configuration fixes for all sessions of a server. */
export interface ClientRules {
  readonly replies: ServerReplies;
  readonly starttls: "off" | "on" | "only";
  /** Listed mechanisms, as `smtp_auth` names them. */
  readonly methods: ReadonlySet<string>;
  readonly maxErrors: number;
  /** Commands that a session may have; Infinity for no bound. */
  readonly maxCommands: number;
  readonly pipelining: Pipelining;
  /** Most octets that MAIL may announce with SIZE; `Infinity` for no limit. */
  readonly maxMessageOctets: number;
  /** Whether a command with a NUL is refused, as in the relay: the mail server may hear it word for word. */
  readonly refusesNul: boolean;
  /** nginx's way where it differs (`compat: nginx`). */
  readonly compat: boolean;
  /** A fresh CRAM-MD5 challenge with angle brackets (RFC 2195 §2). */
  readonly newSalt: () => string;
}

/** What is known of the client between commands. */
export interface Known {
  /** HELO/EHLO argument, empty before it. */
  readonly helo: string;
  /** Whether EHLO was ever used; a later HELO does not change it (spec §2.4). */
  readonly esmtp: boolean;
  /** MAIL line as typed, or null (method `none`). */
  readonly mail: string | null;
  readonly secure: boolean;
  /** Commands the parser rejected, for `max_errors`. */
  readonly errors: number;
  /** Commands so far, for `max_commands`. */
  readonly commands: number;
  /** Questions asked of the callout (`Auth-Login-Attempt`). */
  readonly attempts: number;
}

/** The part of a question to the callout that the dialogue knows. */
export interface ClientQuestion {
  readonly method: "plain" | "cram-md5" | "external" | "none" | "xoauth2" | "oauthbearer";
  readonly user: string;
  readonly secret: string;
  readonly salt: string | null;
  readonly attempt: number;
  readonly envelope: { readonly helo: string; readonly mail: string; readonly rcpt: string } | null;
}

/** How a refused login ends: with this reply, and then by closing or going on. */
interface Refusal {
  readonly reply: SpokenReply;
  readonly close: boolean;
}

export type ClientState =
  | { readonly phase: "ready"; readonly known: Known }
  | { readonly phase: "authenticating"; readonly known: Known; readonly exchange: Exchange }
  /** STARTTLS was said; what was learned so far will be forgotten if a handshake may begin. */
  | { readonly phase: "upgrading"; readonly known: Known }
  | { readonly phase: "asking"; readonly known: Known; readonly question: ClientQuestion }
  /** Auth-Wait runs. */
  | {
    readonly phase: "waiting";
    readonly known: Known;
    readonly refusal: Refusal;
    readonly challenge: SpokenReply | null;
  }
  /** The SASL error was sent as a challenge; the client answers it with a dummy (RFC 7628 §3.2.3). */
  | { readonly phase: "challenged"; readonly known: Known; readonly refusal: Refusal }
  | { readonly phase: "connecting"; readonly known: Known; readonly question: ClientQuestion }
  | { readonly phase: "relaying" }
  | { readonly phase: "closed" };

export type ClientEvent =
  /** `more`: the client has sent something behind the line before it could know the reply. */
  | { readonly kind: "line"; readonly line: string; readonly more?: boolean }
  /** `begin` is what came of the line, as a byte string. */
  | { readonly kind: "line_too_long"; readonly begin: string }
  /** What has come, and is no whole line yet, begins as no line of text does. */
  | { readonly kind: "binary"; readonly begin: string }
  /** Whether one more handshake may be under way. */
  | { readonly kind: "tls_admitted"; readonly admitted: boolean }
  | { readonly kind: "tls_started" }
  | { readonly kind: "answered"; readonly answer: AuthAnswer }
  /** A limit decides, unasked or after the answer. */
  | {
    readonly kind: "limited";
    readonly reply: SpokenReply;
    readonly outcome: SessionOutcome;
    readonly close: boolean;
  }
  | { readonly kind: "waited" }
  /** The mail server took the login (null) or answered RCPT (its reply, whatever the code). */
  | { readonly kind: "upstream_ready"; readonly rcptReply: SpokenReply | null }
  /** `reply` is the mail server's own where it may be passed on (`proxy_pass_error_message`). */
  | { readonly kind: "upstream_failed"; readonly reply: SpokenReply | null };

export type ClientEffect =
  | { readonly do: "reply"; readonly reply: SpokenReply; readonly verb: Verb | "other" | null }
  /** Asks for `tls_admitted`. */
  | { readonly do: "admit_tls" }
  | { readonly do: "start_tls" }
  | { readonly do: "ask"; readonly question: ClientQuestion }
  | { readonly do: "wait"; readonly milliseconds: number }
  | {
    readonly do: "connect";
    readonly question: ClientQuestion;
    readonly answer: Extract<AuthAnswer, { kind: "accepted" }>;
  }
  | { readonly do: "relay" }
  | { readonly do: "note"; readonly event: string; readonly message: string }
  /** Something that is no SMTP, to be logged and counted. */
  | { readonly do: "foreign"; readonly protocol: ForeignProtocol }
  /** `linger`: unread input may be pending, so a plain close would reset the connection and lose the reply. */
  | { readonly do: "close"; readonly outcome: SessionOutcome; readonly linger: boolean };

export interface ClientStep {
  readonly state: ClientState;
  /** Only the last one may ask for an event, or end the dialogue. */
  readonly effects: readonly ClientEffect[];
}

const NOTHING_KNOWN: Known = Object.freeze({
  helo: "",
  esmtp: false,
  mail: null,
  secure: false,
  errors: 0,
  commands: 0,
  attempts: 0,
});

const BEGINS: ClientState = Object.freeze({ phase: "ready", known: NOTHING_KNOWN });
const BEGINS_SECURE: ClientState = Object.freeze({
  phase: "ready",
  known: Object.freeze({ ...NOTHING_KNOWN, secure: true }),
});

/** The state after the greeting. */
export function initialClientState(secure: boolean): ClientState {
  return secure ? BEGINS_SECURE : BEGINS;
}

/** Advances the dialogue by one event. Events that a phase cannot have are a mistake of the driver. */
export function stepClient(state: ClientState, event: ClientEvent, rules: ClientRules): ClientStep {
  switch (event.kind) {
    case "line":
      return stepLine(state, event.line, event.more ?? false, rules);
    case "line_too_long":
      return stepLineTooLong(state, event.begin);
    case "binary":
      return foreign(foreignProtocol(event.begin) ?? "binary");
    case "tls_admitted": {
      if (state.phase !== "upgrading") break;
      if (!event.admitted) return say(state.known, REPLIES.tlsUnavailable, "STARTTLS");
      return {
        state,
        effects: [{ do: "reply", reply: REPLIES.startTls, verb: "STARTTLS" }, { do: "start_tls" }],
      };
    }
    case "tls_started": {
      if (state.phase !== "upgrading") break;
      // RFC 3207 §4.2: all that was learned before TLS is forgotten. What guards the session itself is not
      // learned from the client: what is counted goes on (spec §2.5, §3.2).
      const { errors, commands, attempts } = state.known;
      const esmtp = rules.compat && state.known.esmtp;
      const known = { ...NOTHING_KNOWN, secure: true, errors, commands, attempts, esmtp };
      return { state: { phase: "ready", known }, effects: [] };
    }
    case "answered":
      if (state.phase !== "asking") break;
      return stepAnswer(state.known, state.question, event.answer);
    case "limited": {
      if (state.phase !== "asking") break;
      const verb = verbOf(state.question);
      return event.close ? end(event.reply, verb, event.outcome, true) : say(state.known, event.reply, verb);
    }
    case "waited":
      if (state.phase !== "waiting") break;
      return state.challenge === null
        ? refuse(state.known, state.refusal)
        : challenge(state.known, state.challenge, state.refusal);
    case "upstream_ready": {
      if (state.phase !== "connecting") break;
      const verb = event.rcptReply === null ? "AUTH" : "RCPT";
      return {
        state: { phase: "relaying" },
        effects: [
          { do: "reply", reply: event.rcptReply ?? REPLIES.authenticated, verb },
          { do: "relay" },
        ],
      };
    }
    case "upstream_failed": {
      if (state.phase !== "connecting") break;
      const verb = verbOf(state.question);
      return end(event.reply ?? REPLIES.internalError, verb, "upstream_failed", true);
    }
  }
  throw new TypeError(`Cannot step the client machine: event "${event.kind}" in phase "${state.phase}"`);
}

function stepLine(state: ClientState, line: string, more: boolean, rules: ClientRules): ClientStep {
  switch (state.phase) {
    case "ready":
      return stepCommand(state.known, line, more, rules);
    case "authenticating":
      if (more && rules.pipelining !== "unchecked") return outOfStep("a SASL response");
      return stepResponse(state.known, state.exchange, line, rules);
    case "challenged":
      // Whatever the dummy response is, the failure follows (RFC 7628 §3.2.3).
      return refuse(state.known, state.refusal);
    default:
      throw new TypeError(`Cannot step the client machine: a line in phase "${state.phase}"`);
  }
}

function stepCommand(before: Known, line: string, more: boolean, rules: ClientRules): ClientStep {
  const command = rules.refusesNul && line.includes("\0") ? null : parseCommand(line);
  if (command === null && !rules.compat) {
    const protocol = foreignProtocol(line);
    if (protocol !== null) return foreign(protocol);
  }
  if (before.commands >= rules.maxCommands) return tooManyCommands();
  const known = { ...before, commands: before.commands + 1 };
  if (more && !mayFollow(command?.verb ?? null, known.esmtp, rules.pipelining)) {
    return outOfStep(command?.verb ?? "a bad command");
  }
  if (command === null) return invalid(known, rules);
  if (tlsMissing(known, rules) && !rules.compat && !BEFORE_TLS.has(command.verb)) {
    return say(known, REPLIES.tlsRequired, command.verb);
  }
  return COMMANDS[command.verb](known, command, rules);
}

/** RFC 3207 §4: what a server that demands TLS does before it; all else gets 530. */
const BEFORE_TLS: ReadonlySet<Verb> = new Set(["EHLO", "NOOP", "QUIT", "STARTTLS"]);

function stepResponse(known: Known, exchange: Exchange, line: string, rules: ClientRules): ClientStep {
  const response = parseSaslResponse(line);
  // A stray CR makes the line invalid, as it does for a command.
  if (response === null) return exchangeFailed(known, "unreadable", rules);
  // RFC 4954 §4; for nginx the star is bad base64 (spec §2.4.2).
  if (response === "*" && !rules.compat) {
    return noted("auth_cancelled", "client cancelled AUTH", say(known, REPLIES.authCancelled, "AUTH"));
  }
  return exchanged(known, continueExchange(exchange, response), rules);
}

function noted(event: string, message: string, step: ClientStep): ClientStep {
  return { ...step, effects: [{ do: "note", event, message }, ...step.effects] };
}

/** Counted rejection: the parser did not know the command (spec §2.5). */
function invalid(known: Known, rules: ClientRules): ClientStep {
  const errors = known.errors + 1;
  // `max_errors 0` behaves like 1 (spec §1.1).
  if (errors < rules.maxErrors) return say({ ...known, errors }, REPLIES.invalidCommand, "other");
  const message = "client sent too many invalid commands";
  return sentAway("too_many_errors", message, REPLIES.invalidCommand, "other");
}

function stepLineTooLong(state: ClientState, begin: string): ClientStep {
  const sasl = state.phase === "authenticating" || state.phase === "challenged";
  const message = `client sent too long command${sasl ? "" : ` ${shownLine(begin)}`}`;
  return sasl
    ? sentAway("line_too_long", message, REPLIES.saslLineTooLong, "AUTH")
    : sentAway("line_too_long", message, REPLIES.invalidCommand, "other");
}

type CommandStep = (known: Known, command: Command, rules: ClientRules) => ClientStep;

/** One row per command of spec §2.4; a missing row is a type error. */
const COMMANDS: Readonly<Record<Verb, CommandStep>> = {
  HELO: (known, command, rules) => stepHello(known, command, rules, false),
  EHLO: (known, command, rules) => stepHello(known, command, rules, true),
  NOOP: (known, command) => say(known, REPLIES.ok, command.verb),
  RSET: (known, command) => say({ ...known, mail: null }, REPLIES.ok, command.verb),
  QUIT: (_known, command) => end(REPLIES.bye, command.verb, "quit", false),
  // Known to the parser, offered to nobody, and not counted as errors (spec §2.4).
  VRFY: (known, command) => say(known, REPLIES.invalidCommand, command.verb),
  EXPN: (known, command) => say(known, REPLIES.invalidCommand, command.verb),
  HELP: (known, command) => say(known, REPLIES.invalidCommand, command.verb),
  STARTTLS: stepStartTls,
  AUTH: stepAuth,
  MAIL: stepMail,
  RCPT: stepRcpt,
};

function stepHello(known: Known, command: Command, rules: ClientRules, extended: boolean): ClientStep {
  const name = command.args[0];
  if (name === undefined || command.args.length !== 1) {
    return say(known, REPLIES.invalidArgument, command.verb);
  }
  // RFC 5321 §4.1.4: EHLO and HELO also reset the transaction.
  const next: Known = { ...known, helo: name, esmtp: known.esmtp || extended, mail: null };
  if (!extended) return say(next, rules.replies.helo, command.verb);
  return say(next, known.secure ? rules.replies.ehloSecure : rules.replies.ehloPlain, command.verb);
}

function stepStartTls(known: Known, command: Command, rules: ClientRules): ClientStep {
  if (rules.starttls === "off" || known.secure) return say(known, REPLIES.invalidCommand, command.verb);
  // RFC 3207 §4; nginx does not look.
  if (command.args.length > 0 && !rules.compat) return say(known, REPLIES.invalidArgument, command.verb);
  return { state: { phase: "upgrading", known }, effects: [{ do: "admit_tls" }] };
}

function stepMail(known: Known, command: Command, rules: ClientRules): ClientStep {
  if (mailNeedsTls(known, rules)) return say(known, REPLIES.tlsRequired, command.verb);
  if (!rules.methods.has("none")) {
    const message = `client was rejected: ${shownLine(command.text)}`;
    return noted("mail_rejected", message, say(known, REPLIES.authRequired, command.verb));
  }
  if (known.mail !== null) return say(known, REPLIES.badSequence, command.verb);
  if (command.args.length === 0) return say(known, REPLIES.invalidArgument, command.verb);
  const size = rules.maxMessageOctets === Infinity ? null : readMail(command.text).size;
  if (size !== null && size > rules.maxMessageOctets) return say(known, REPLIES.tooLarge, command.verb);
  return say({ ...known, mail: command.text }, REPLIES.ok, command.verb);
}

function stepRcpt(known: Known, command: Command, rules: ClientRules): ClientStep {
  if (mailNeedsTls(known, rules)) return say(known, REPLIES.tlsRequired, command.verb);
  if (known.mail === null) return say(known, REPLIES.badSequence, command.verb);
  if (command.args.length === 0) return say(known, REPLIES.invalidArgument, command.verb);
  return ask(known, {
    method: "none",
    user: "",
    secret: "",
    salt: null,
    envelope: { helo: known.helo, mail: known.mail, rcpt: command.text },
  });
}

function stepAuth(known: Known, command: Command, rules: ClientRules): ClientStep {
  if (tlsMissing(known, rules)) return say(known, REPLIES.invalidCommand, command.verb);
  // RFC 4954 §4: the login would go to a mail server that knows nothing of this MAIL.
  if (known.mail !== null && !rules.compat) return say(known, REPLIES.badSequence, command.verb);
  const [mechanism, initial] = command.args;
  if (mechanism === undefined) return say(known, REPLIES.invalidArgument, command.verb);
  if (command.args.length > 2) return exchangeFailed(known, "arguments", rules);
  const method = mechanism.toLowerCase();
  // nginx takes PLAIN and LOGIN in any case, and has no reply of its own for the others (spec §2.4.2).
  const listed = rules.methods.has(method) && method !== "none" ||
    rules.compat && (method === "plain" || method === "login");
  if (!listed) {
    return say(known, rules.compat ? REPLIES.invalidCommand : REPLIES.mechanismNotListed, command.verb);
  }
  return exchanged(known, beginExchange(method, initial ?? null, rules.newSalt), rules);
}

function tlsMissing(known: Known, rules: ClientRules): boolean {
  return rules.starttls === "only" && !known.secure;
}

/** With nginx's way: it asks for the login first, and lets mail that needs none pass in clear, a hole (spec §8.1). */
function mailNeedsTls(known: Known, rules: ClientRules): boolean {
  return rules.methods.has("none") && tlsMissing(known, rules);
}

function exchanged(known: Known, step: ExchangeStep, rules: ClientRules): ClientStep {
  switch (step.kind) {
    case "challenge":
      return {
        state: { phase: "authenticating", known, exchange: step.exchange },
        effects: [{ do: "reply", reply: step.reply, verb: null }],
      };
    case "done":
      return ask(known, { ...step.credentials, envelope: null });
    case "failed":
      return noted("auth_invalid", step.message, exchangeFailed(known, step.why, rules));
  }
}

/** RFC 4954 §4 has 501 for what is wrong in an exchange; a client that hears 500 may think that there is no AUTH. */
function exchangeFailed(known: Known, why: "arguments" | "unreadable", rules: ClientRules): ClientStep {
  const spoken = why === "arguments" ? REPLIES.invalidArgument : REPLIES.authUnreadable;
  return say(known, rules.compat ? REPLIES.invalidCommand : spoken, "AUTH");
}

function ask(known: Known, question: Omit<ClientQuestion, "attempt">): ClientStep {
  const attempts = known.attempts + 1;
  const asked: ClientQuestion = { ...question, attempt: attempts };
  return {
    state: { phase: "asking", known: { ...known, attempts }, question: asked },
    effects: [{ do: "ask", question: asked }],
  };
}

function stepAnswer(known: Known, question: ClientQuestion, answer: AuthAnswer): ClientStep {
  const verb = verbOf(question);
  switch (answer.kind) {
    case "accepted":
      return {
        state: { phase: "connecting", known, question },
        effects: [{ do: "connect", question, answer }],
      };
    case "failed":
      return end(REPLIES.internalError, verb, "auth_unavailable", true);
    case "refused": {
      const waitMs = answer.waitMs ?? 0;
      const refusal: Refusal = {
        reply: reply(`${answer.code ?? DEFAULT_REFUSAL_CODE} ${answer.text}`),
        close: waitMs === 0,
      };
      const oauth = question.method === "xoauth2" || question.method === "oauthbearer";
      const sasl = oauth && answer.saslChallenge !== null ? reply(`334 ${answer.saslChallenge}`) : null;
      if (waitMs > 0) {
        return {
          state: { phase: "waiting", known, refusal, challenge: sasl },
          effects: [{ do: "wait", milliseconds: waitMs }],
        };
      }
      return sasl === null ? refuse(known, refusal, verb) : challenge(known, sasl, refusal);
    }
  }
}

/** The command that a question came of. */
function verbOf({ method }: ClientQuestion): Verb {
  return method === "none" ? "RCPT" : "AUTH";
}

function challenge(known: Known, sasl: SpokenReply, refusal: Refusal): ClientStep {
  return {
    state: { phase: "challenged", known, refusal },
    effects: [{ do: "reply", reply: sasl, verb: null }],
  };
}

function refuse(
  known: Known,
  refusal: Refusal,
  verb: Verb = known.mail === null ? "AUTH" : "RCPT",
): ClientStep {
  return refusal.close ? end(refusal.reply, verb, "refused", true) : say(known, refusal.reply, verb);
}

function say(known: Known, spoken: SpokenReply, verb: Verb | "other"): ClientStep {
  return { state: { phase: "ready", known }, effects: [{ do: "reply", reply: spoken, verb }] };
}
