/**
 * What the admin listener asks the threads that serve.
 *
 * @module
 */
import { displayText } from "../bytes/latin1.ts";
import type { SessionBoard, SessionFacts } from "../driver/session_board.ts";
import type { CertificateExpiry } from "./tls_files.ts";

/** A question to one thread. */
export type AdminQuestion =
  /** Who is connected; of `user` alone when it is not null. */
  | { readonly about: "sessions"; readonly user: string | null; readonly most: number }
  | { readonly about: "end"; readonly id: string }
  /** Whether it still turns its loop, and what it uses. */
  | { readonly about: "pulse" };

/** The answer to a question of the same name. */
export type AdminAnswer =
  | { readonly about: "sessions"; readonly total: number; readonly sessions: readonly SessionView[] }
  | { readonly about: "end"; readonly ended: boolean }
  | {
    readonly about: "pulse";
    readonly heapBytes: number;
    readonly certificates: readonly CertificateExpiry[];
  };

/** A session as `GET /sessions` tells it. */
export interface SessionView {
  readonly id: string;
  readonly connection: number;
  readonly listener: string;
  readonly client: string;
  readonly user: string | null;
  readonly upstream: string | null;
  readonly state: string;
  readonly doing: string;
  readonly tls: string | null;
  /** ISO 8601. */
  readonly since: string;
  readonly bytes_to_upstream: number;
  readonly bytes_to_client: number;
}

/** Answers from the sessions of this thread, and with the certificates that it has in force. */
export function answerQuestion(
  question: AdminQuestion,
  board: SessionBoard,
  certificates: readonly CertificateExpiry[],
): AdminAnswer {
  switch (question.about) {
    case "sessions": {
      const { user, most } = question;
      const wanted = (facts: SessionFacts) => user === null || shownUser(facts) === user;
      const { total, sessions } = board.list(wanted, most);
      return { about: "sessions", total, sessions: sessions.map(viewOf) };
    }
    case "end":
      return { about: "end", ended: board.end(question.id) };
    case "pulse":
      return { about: "pulse", heapBytes: Deno.memoryUsage().heapUsed, certificates };
  }
}

/** A login is a peer's text: what does not print is escaped. */
function shownUser({ user }: SessionFacts): string | null {
  return user === null ? null : displayText(user);
}

function viewOf(session: SessionFacts): SessionView {
  const { octetsToUpstream, octetsToClient, since, ...facts } = session;
  return {
    ...facts,
    user: shownUser(session),
    since: new Date(since).toISOString(),
    bytes_to_upstream: octetsToUpstream,
    bytes_to_client: octetsToClient,
  };
}
