import type { SessionState } from "../ports/telemetry.ts";
import type { Interruption } from "../session/joint.ts";

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
export interface BoardedSession {
  facts(): SessionFacts;
  interrupt(cause: Interruption): void;
}

/** The open sessions of a thread by their id, for the operator. */
export class SessionBoard {
  readonly #sessions = new Map<string, BoardedSession>();

  enter(id: string, session: BoardedSession): void {
    this.#sessions.set(id, session);
  }

  leave(id: string): void {
    this.#sessions.delete(id);
  }

  /** Facts of the sessions that `matches` takes, at most `most` of them, and how many there are. */
  list(
    matches: (facts: SessionFacts) => boolean,
    most: number,
  ): { readonly total: number; readonly sessions: readonly SessionFacts[] } {
    let total = 0;
    const sessions: SessionFacts[] = [];
    for (const session of this.#sessions.values()) {
      const facts = session.facts();
      if (!matches(facts)) continue;
      total++;
      if (sessions.length < most) sessions.push(facts);
    }
    return { total, sessions };
  }

  /** Ends a session; false when there is none with this id. */
  end(id: string): boolean {
    const session = this.#sessions.get(id);
    session?.interrupt("dismiss");
    return session !== undefined;
  }
}
