/**
 * What happens to a session when something outside its dialogue forces a move: for every phase and every cause,
 * one row. The cases that are easily forgotten stand here, and the tests loop over the full product.
 *
 * @module
 */
import type { SessionOutcome, SessionState } from "../ports/telemetry.ts";
import type { ServerReplies, SpokenReply } from "./replies.ts";

/** Where the session is, both machines taken together. */
export type JointPhase = SessionState;

/** What interrupts it. */
export type Interruption =
  | "deadline"
  /** The process is to end; sessions that only talk to us are asked to come back later. */
  | "drain"
  /** The process ends now. */
  | "abort"
  /** An operator ends this session. */
  | "dismiss";

export interface ForcedMove {
  /** What the client still hears. */
  readonly say: "timeout" | "shutdown" | null;
  /** Null: nothing happens, the session goes on. */
  readonly outcome: SessionOutcome | null;
}

const SILENT_TIMEOUT: ForcedMove = { say: null, outcome: "timeout" };
const STAY: ForcedMove = { say: null, outcome: null };
const SHUT: ForcedMove = { say: "shutdown", outcome: "shutdown" };
const CUT: ForcedMove = { say: null, outcome: "shutdown" };

/**
 * RFC 5321 §3.8: a server that ends a session on its own account says 421 first. It can do so where the client
 * expects SMTP and no reply of ours or of the mail server may be half sent.
 */
const MOVES: Readonly<Record<JointPhase, Readonly<Record<Exclude<Interruption, "dismiss">, ForcedMove>>>> = {
  // No SMTP yet: closed without a word, as nginx does (spec §2.9).
  proxy_header: { deadline: SILENT_TIMEOUT, drain: CUT, abort: CUT },
  // Limits are asked, which has a deadline of its own; before TLS nothing can be said.
  admitting: { deadline: STAY, drain: CUT, abort: CUT },
  handshake: { deadline: SILENT_TIMEOUT, drain: CUT, abort: CUT },
  // The look-up has deadlines of its own and always answers.
  resolving: { deadline: STAY, drain: SHUT, abort: SHUT },
  // The end of the delay is its deadline.
  greeting_delay: { deadline: STAY, drain: SHUT, abort: SHUT },
  command: { deadline: { say: "timeout", outcome: "timeout" }, drain: SHUT, abort: SHUT },
  // A login that is being decided is decided: it is answered, and the drain asks again at the next command.
  asking: { deadline: STAY, drain: STAY, abort: SHUT },
  waiting: { deadline: STAY, drain: STAY, abort: SHUT },
  // The dialogue with the mail server has its own deadline and its own answer.
  connecting: { deadline: STAY, drain: STAY, abort: SHUT },
  // Both peers talk to each other; a word of ours might land in the middle of a reply. The guard, which knows where
  // replies end, says 421 itself at the deadline.
  relaying: { deadline: { say: null, outcome: "relay_timeout" }, drain: STAY, abort: CUT },
};

/** The move that `interruption` forces in `phase`. */
export function forcedMove(phase: JointPhase, interruption: Interruption): ForcedMove {
  // One session is ended as all of them are when the process ends.
  return interruption === "dismiss"
    ? { say: MOVES[phase].abort.say, outcome: "dismissed" }
    : MOVES[phase][interruption];
}

/** The reply of a forced move, or null. */
export function spoken(move: ForcedMove, replies: ServerReplies): SpokenReply | null {
  return move.say === null ? null : replies[move.say];
}
