import { decodeLatin1 } from "../bytes/latin1.ts";
import { readQueueId } from "../grammar/queue_id.ts";
import type { GuardRefusal, MessageOutcome, MessageRecord } from "../ports/telemetry.ts";
import type { SpokenReply } from "./replies.ts";

/** One mail transaction of a relay: from MAIL to the final reply, or to what ended it before. */
export class Transaction {
  readonly number: number;
  readonly path: string;
  /** What was open when MAIL came; goes on when MAIL is refused. */
  before: Transaction | null;
  readonly #beganAt: number;
  accepted = 0;
  refused = 0;
  /** RCPT commands that are not answered yet. */
  pending = 0;
  octets = 0;
  /** Whether a chunk was refused by Postern: the mail server has a part only, and must never hear the rest. */
  broken = false;
  /** Whether its end was told. */
  told = false;

  constructor(number: number, path: string, beganAt: number, before: Transaction | null) {
    this.number = number;
    this.path = path;
    this.#beganAt = beganAt;
    this.before = before;
  }

  /** What is told of its end; null when it was told already. */
  tell(
    outcome: MessageOutcome,
    reply: MessageRecord["reply"],
    refusal: GuardRefusal | null,
    now: number,
  ): MessageRecord | null {
    if (this.told) return null;
    this.told = true;
    return {
      outcome,
      number: this.number,
      reversePath: this.path,
      recipientsAccepted: this.accepted,
      recipientsRefused: this.refused,
      octets: this.octets,
      reply,
      queueId: outcome === "accepted" && reply !== null ? readQueueId(reply.text) : null,
      refusal,
      seconds: Math.max(0, now - this.#beganAt) / 1000,
    };
  }

  /** What is told of it when it came to no end of its own. */
  abandon(now: number): MessageRecord | null {
    const nobody = this.accepted === 0 && this.refused > 0;
    return this.tell(nobody ? "rejected" : "aborted", null, null, now);
  }
}

/** A reply of Postern's own as a record has it. */
export function toldReply({ code, bytes }: SpokenReply): { code: number; text: string } {
  return { code, text: decodeLatin1(bytes, 4, bytes.length - 2) };
}
