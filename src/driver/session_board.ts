import type { SessionState } from "../ports/telemetry.ts";
import type { Interruption } from "../session/joint.ts";
import { Roster, type RosterMember } from "./roster.ts";

/** What an operator may see of a session. Text from peers is held as byte strings. */
export interface SessionFacts {
  readonly id: string;
  /** Counts connections of the process, from 1. */
  readonly connection: number;
  readonly listener: string;
  readonly client: string;
  readonly user: string | null;
  readonly upstream: string | null;
  readonly state: SessionState;
  /** What is being done, as in the log. */
  readonly doing: string;
  /** Version of TLS with the client, or null. */
  readonly tls: string | null;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Relayed so far. */
  readonly octetsToUpstream: number;
  readonly octetsToClient: number;
}

/** A session as the board has it. */
export interface BoardedSession extends RosterMember<BoardedSession> {
  readonly id: string;
  facts(): SessionFacts;
  interrupt(cause: Interruption): void;
}

/** The open sessions of a thread, for the operator. */
export class SessionBoard {
  readonly #sessions = new Roster<BoardedSession>();

  enter(session: BoardedSession): void {
    this.#sessions.add(session);
  }

  /** One that never came may leave, too. */
  leave(session: BoardedSession): void {
    this.#sessions.remove(session);
  }

  /** Facts of the sessions that `matches` takes, at most `most` of them, and how many there are. */
  list(
    matches: (facts: SessionFacts) => boolean,
    most: number,
  ): { readonly total: number; readonly sessions: readonly SessionFacts[] } {
    let total = 0;
    const sessions: SessionFacts[] = [];
    for (const session of this.#sessions.all()) {
      const facts = session.facts();
      if (!matches(facts)) continue;
      total++;
      if (sessions.length < most) sessions.push(facts);
    }
    return { total, sessions };
  }

  /** Ends a session; false when there is none with this id. */
  end(id: string): boolean {
    const session = this.#sessions.all().find((session) => session.id === id);
    session?.interrupt("dismiss");
    return session !== undefined;
  }
}
