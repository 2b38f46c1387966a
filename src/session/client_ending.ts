/**
 * How Postern ends a dialogue with a client on its own account.
 *
 * @module
 */
import type { Verb } from "../grammar/command.ts";
import type { ForeignProtocol } from "../grammar/foreign_protocol.ts";
import type { SessionOutcome } from "../ports/telemetry.ts";
import type { ClientStep } from "./client_machine.ts";
import { REPLIES, type SpokenReply } from "./replies.ts";

/** Ends the session with a reply and a note; what else has come is not looked at. */
export function sentAway(
  outcome: "too_many_commands" | "too_many_errors" | "pipelining" | "line_too_long",
  message: string,
  spoken: SpokenReply,
  verb: Verb | "other",
): ClientStep {
  return {
    state: { phase: "closed" },
    effects: [
      { do: "note", event: outcome, message },
      { do: "reply", reply: spoken, verb },
      { do: "close", outcome, linger: true },
    ],
  };
}

/** `max_commands` is reached. */
export function tooManyCommands(): ClientStep {
  const message = "client sent too many commands";
  return sentAway("too_many_commands", message, REPLIES.tooManyCommands, "other");
}

/** The client did not wait for the reply to what it said before. */
export function outOfStep(behind: string): ClientStep {
  const message = `client did not wait for the reply to ${behind}`;
  return sentAway("pipelining", message, REPLIES.pipelining, "other");
}

/** Who speaks HTTP or a message may read a reply; the others could not understand it. */
const HEAR_A_REPLY: ReadonlySet<ForeignProtocol> = new Set(["http", "header"]);

/** The client speaks something else than SMTP. */
export function foreign(protocol: ForeignProtocol): ClientStep {
  const reply = REPLIES.notSmtp;
  return {
    state: { phase: "closed" },
    effects: [
      { do: "foreign", protocol },
      ...HEAR_A_REPLY.has(protocol) ? [{ do: "reply", reply, verb: "other" } as const] : [],
      { do: "close", outcome: "not_smtp", linger: true },
    ],
  };
}

/** Ends the session with a reply. */
export function end(
  spoken: SpokenReply,
  verb: Verb | null,
  outcome: SessionOutcome,
  linger: boolean,
): ClientStep {
  return {
    state: { phase: "closed" },
    effects: [{ do: "reply", reply: spoken, verb }, { do: "close", outcome, linger }],
  };
}
