import type { Transport } from "../ports/transport.ts";
import { formatCommand } from "./redis_command.ts";
import { type RedisReply, ReplyReader } from "./redis_reply.ts";

/** Commands that wait for their reply; with a server that keeps up there are as many as sessions that ask. */
const MAX_WAITING = 65_536;
/** Text that the server has not taken yet. */
const MAX_UNSENT = 8_388_608;

interface Waiting {
  readonly resolve: (reply: RedisReply) => void;
  readonly reject: (error: Error) => void;
  next: Waiting | null;
}

/**
 * Commands and their replies, in order, over one connection, until something is wrong with it or it is closed. Who
 * asks sees to it that a reply comes in time.
 */
export class RedisConnection {
  readonly #transport: Transport;
  readonly #encoder = new TextEncoder();
  readonly #end = Promise.withResolvers<string>();
  /** Why it is over, or null. */
  #over: string | null = null;
  #unsent = "";
  #writing = false;
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #waiting = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
    void this.#read();
  }

  /** Settles with the reason when it is over. */
  get ended(): Promise<string> {
    return this.#end.promise;
  }

  /** Sends a command; what is asked in one turn goes out in one write. @throws {Error} when it is over. */
  ask(args: readonly string[]): Promise<RedisReply> {
    const text = formatCommand(args);
    if (this.#waiting >= MAX_WAITING || this.#unsent.length + text.length > MAX_UNSENT) {
      this.#finish("it does not keep up with the questions");
    }
    if (this.#over !== null) return Promise.reject(new Error(this.#over));
    this.#unsent += text;
    if (!this.#writing) {
      this.#writing = true;
      queueMicrotask(() => void this.#write());
    }
    this.#waiting++;
    return new Promise((resolve, reject) => {
      const last = { resolve, reject, next: null };
      if (this.#last === null) this.#first = last;
      else this.#last.next = last;
      this.#last = last;
    });
  }

  /** Ends it at once. Idempotent. */
  close(): void {
    this.#finish("closed");
  }

  #finish(reason: string): void {
    if (this.#over !== null) return;
    this.#over = reason;
    this.#unsent = "";
    this.#transport.close();
    for (let waiting = this.#shift(); waiting !== null; waiting = this.#shift()) {
      waiting.reject(new Error(reason));
    }
    this.#end.resolve(reason);
  }

  #shift(): Waiting | null {
    const first = this.#first;
    if (first === null) return null;
    this.#first = first.next;
    if (first.next === null) this.#last = null;
    this.#waiting--;
    return first;
  }

  async #write(): Promise<void> {
    try {
      while (this.#unsent !== "") {
        const octets = this.#encoder.encode(this.#unsent);
        this.#unsent = "";
        await this.#transport.write(octets);
      }
    } catch (error) {
      this.#finish(reasonOf(error));
    } finally {
      this.#writing = false;
    }
  }

  async #read(): Promise<void> {
    const reader = new ReplyReader();
    try {
      while (this.#over === null) {
        const count = await this.#transport.read(reader.room());
        if (count === null) return this.#finish("it has closed the connection");
        reader.filled(count);
        for (let reply = reader.next(); reply !== undefined; reply = reader.next()) this.#answer(reply);
        if (reader.fault !== null) return this.#finish(`it sends ${reader.fault}`);
      }
    } catch (error) {
      this.#finish(reasonOf(error));
    }
  }

  #answer(reply: RedisReply): void {
    const waiting = this.#shift();
    if (waiting === null) this.#finish("it sends a reply that nobody has asked for");
    else waiting.resolve(reply);
  }
}

/** What is told of an error. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
