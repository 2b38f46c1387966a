/**
 * The mail server's side of one session, without the socket.
 *
 * @module
 */
import { announcedOctets, isMessageChunk } from "./message.ts";

/** What a sink has seen since it was asked last. */
export interface SinkTotals {
  messages: number;
  /** Of whole messages, without the final dot. */
  octets: number;
  /** What was wrong with messages or sessions, at most {@linkcode MAX_FAULTS} of them. */
  readonly faults: string[];
}

/** One fault fails the bench; more are of little use. */
const MAX_FAULTS = 10;
const MAX_LINE_OCTETS = 4096;
const DATA_END = ".\r\n";

export function newTotals(): SinkTotals {
  return { messages: 0, octets: 0, faults: [] };
}

/** Answers commands, and compares every octet of the messages with what was announced. */
export class SinkSession {
  readonly #totals: SinkTotals;
  readonly #decoder = new TextDecoder("latin1");
  #line = "";
  #octets: number | null = null;
  /** Octets of the message that came, or -1 between messages. */
  #received = -1;
  #ended = false;

  constructor(totals: SinkTotals) {
    this.#totals = totals;
  }

  /** Whether QUIT was said, or something went wrong: nothing more is expected. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether a large message is coming, so that large reads pay. */
  get bulky(): boolean {
    return this.#received >= 0 && this.#octets! > 64 * 1024;
  }

  /** Takes what came and tells what to answer, perhaps nothing. */
  feed(chunk: Uint8Array): string {
    let replies = "";
    let rest = chunk;
    while (rest.length > 0 && !this.#ended) {
      if (this.#received >= 0 && this.#received < this.#octets!) {
        rest = this.#compare(rest);
        continue;
      }
      const end = rest.indexOf(0x0a);
      this.#line += this.#decoder.decode(end < 0 ? rest : rest.subarray(0, end + 1));
      if (end < 0 && this.#line.length < MAX_LINE_OCTETS) break;
      if (end < 0) this.#fail("a line without an end");
      rest = rest.subarray(end + 1);
      replies += this.#obey(this.#line);
      this.#line = "";
    }
    return replies;
  }

  /** To be called when the stream ends. */
  end(): void {
    if (!this.#ended) this.#fail("the session ended without QUIT");
  }

  #compare(rest: Uint8Array): Uint8Array {
    const length = Math.min(rest.length, this.#octets! - this.#received);
    if (!isMessageChunk(rest.subarray(0, length), this.#received)) {
      this.#fail(`a message was changed after octet ${this.#received}`);
    }
    this.#received += length;
    return rest.subarray(length);
  }

  #obey(line: string): string {
    if (this.#ended) return "";
    if (this.#received >= 0) return this.#endMessage(line);
    switch (line.slice(0, 4).toUpperCase()) {
      case "RCPT":
        this.#octets = announcedOctets(line);
        if (this.#octets === null) this.#fail("a recipient that does not tell the length of the message");
        return "250 2.1.5 Ok\r\n";
      case "DATA":
        if (this.#octets === null) this.#fail("DATA before RCPT");
        this.#received = 0;
        return "354 Go ahead\r\n";
      case "QUIT":
        this.#ended = true;
        return "221 2.0.0 Bye\r\n";
      default:
        return "250 2.0.0 Ok\r\n";
    }
  }

  #endMessage(line: string): string {
    if (line !== DATA_END) this.#fail("a message is longer than it was sent");
    this.#totals.messages++;
    this.#totals.octets += this.#received;
    this.#received = -1;
    this.#octets = null;
    return "250 2.0.0 Ok: sunk\r\n";
  }

  #fail(fault: string): void {
    this.#ended = true;
    if (this.#totals.faults.length < MAX_FAULTS) this.#totals.faults.push(fault);
  }
}
