import { concatBytes } from "../bytes/latin1.ts";
import type { Transport } from "../ports/transport.ts";
import type { SpokenReply } from "../session/replies.ts";

/** Replies on their way to the client: those to pipelined commands go out in one write. */
export class ClientOutput {
  #replies: Uint8Array[] = [];
  #octets = 0;
  #writing = false;

  /** Octets that wait. */
  get octets(): number {
    return this.#octets;
  }

  /** Whether a write is under way, so that a reply may be half sent. */
  get writing(): boolean {
    return this.#writing;
  }

  push(reply: SpokenReply): void {
    this.#replies.push(reply.bytes);
    this.#octets += reply.bytes.length;
  }

  /**
   * Writes what waits.
   * @throws {ConnectionError}
   */
  async flush(transport: Transport): Promise<void> {
    const bytes = this.#replies.length === 1 ? this.#replies[0]! : concatBytes(this.#replies);
    this.#replies = [];
    this.#octets = 0;
    this.#writing = true;
    try {
      await transport.write(bytes);
    } finally {
      this.#writing = false;
    }
  }
}
