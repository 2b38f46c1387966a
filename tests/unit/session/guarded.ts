/**
 * A relay's guard without anything around it, for tests that play both sides.
 *
 * @module
 */
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import type { Admission } from "../../../src/ports/admission.ts";
import type { MessageRecord } from "../../../src/ports/telemetry.ts";
import type { GuardRules, GuardStart } from "../../../src/session/guard_rules.ts";
import { RelayGuard } from "../../../src/session/relay_guard.ts";
import { guardReplies } from "../../../src/session/replies.ts";

/** What tests vary. */
export interface GuardedOptions {
  readonly rules?: Partial<Omit<GuardRules, "data">> & { readonly data?: Partial<GuardRules["data"]> };
  readonly start?: Partial<Omit<GuardStart, "offered">>;
  /** Keywords that the mail server announced; PIPELINING, SIZE and CHUNKING unless said otherwise. */
  readonly offered?: readonly string[];
  /** Octets given at a time; all of what comes unless said otherwise. */
  readonly segment?: number;
  readonly admit?: (question: { kind: string; path: string }) => Admission;
}

/** The guard, and what came out of it so far. */
export class Guarded {
  readonly guard: RelayGuard;
  readonly #segment: number;
  readonly #admit: GuardedOptions["admit"];
  #waiting: Uint8Array = new Uint8Array(0);
  /** Octets for the mail server, and for the client. */
  up = "";
  down = "";
  /** Most octets that waited for a reply of the mail server. */
  now = 0;

  constructor(options: GuardedOptions = {}) {
    const { rules = {}, offered = ["PIPELINING", "SIZE", "CHUNKING"] } = options;
    this.#segment = options.segment ?? Infinity;
    this.#admit = options.admit;
    this.guard = new RelayGuard(
      {
        maxRecipients: Infinity,
        maxMessages: Infinity,
        maxErrors: Infinity,
        commandOctets: 4096,
        replyOctets: 4096,
        announced: new Set(["PIPELINING", "CHUNKING"]),
        ehlo: (known) => ["mx.test", ...["PIPELINING", "8BITMIME"].filter((word) => known.has(word))],
        replies: guardReplies("mx.test"),
        ...rules,
        data: { bareNewline: "reject", nul: "reject", longLine: "pass", maxOctets: Infinity, ...rules.data },
      },
      {
        envelope: null,
        asks: options.admit !== undefined,
        ...options.start,
        offered: new Map(offered.map((keyword) => [keyword, []])),
      },
      0,
    );
  }

  /** The client says something. */
  client(text: string): this {
    const octets = encodeLatin1(text);
    const joined = new Uint8Array(this.#waiting.length + octets.length);
    joined.set(this.#waiting);
    joined.set(octets, this.#waiting.length);
    this.#waiting = joined;
    this.#advance();
    return this;
  }

  /** The mail server says something. */
  server(text: string): this {
    const octets = encodeLatin1(text);
    for (let at = 0; at < octets.length; at += this.#segment) {
      this.guard.fromUpstream(octets.slice(at, at + this.#segment), this.now);
      this.#collect();
    }
    this.#advance();
    return this;
  }

  /** Messages that were told of. */
  records(): MessageRecord[] {
    return this.guard.notes.flatMap((note) => note.kind === "message" ? [note.record] : []);
  }

  /** Messages in short: outcome, path, recipients accepted and refused, octets, code, queue id, refusal. */
  told(): string[] {
    return this.records().map((record) =>
      [
        record.outcome,
        `<${record.reversePath}>`,
        `${record.recipientsAccepted}+${record.recipientsRefused}`,
        record.octets,
        record.reply?.code ?? "-",
        record.queueId ?? "-",
        record.refusal ?? "-",
      ].join(" ")
    );
  }

  /** Reasons of refusals, in order. */
  refusals(): string[] {
    return this.guard.notes.flatMap((note) => note.kind === "refused" ? [note.reason] : []);
  }

  /** What came out since it was asked last. */
  take(): [up: string, down: string] {
    const taken: [string, string] = [this.up, this.down];
    this.up = this.down = "";
    return taken;
  }

  #advance(): void {
    while (this.#waiting.length > 0) {
      const chunk = this.#waiting.slice(0, this.#segment);
      const read = this.guard.fromClient(chunk, 0, this.now);
      this.#collect();
      this.#waiting = this.#waiting.subarray(read);
      const { question } = this.guard;
      if (question !== null) {
        this.guard.answer(this.#admit?.(question) ?? null, this.now);
        this.#collect();
      } else if (read === 0) return;
    }
  }

  #collect(): void {
    // What is cut off is not written to any more.
    for (const octets of this.guard.toUpstream) if (!this.guard.cut) this.up += decodeLatin1(octets);
    for (const octets of this.guard.toClient) this.down += decodeLatin1(octets);
    this.guard.toUpstream.length = this.guard.toClient.length = 0;
  }
}
