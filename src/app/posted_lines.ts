import type { LogDestination } from "../telemetry/log_outputs.ts";
import type { LogSink } from "../telemetry/log_sink.ts";
import type { FromWorker } from "./worker_messages.ts";

/**
 * Destinations of a worker's logs: the first thread has them, and lines are posted there. A log posts its next batch
 * when the one before is written, so a slow destination makes it gather lines up to its own bound.
 */
export class PostedLines {
  readonly #post: (message: FromWorker) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #tickets = 0;

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  /** A sink whose destination the first thread opens, opens again and closes. */
  open(to: LogDestination): LogSink {
    return {
      write: async (octets) => {
        const ticket = ++this.#tickets;
        const done = Promise.withResolvers<void>();
        this.#waiting.set(ticket, done);
        this.#post({ kind: "lines", ticket, to, octets });
        await done.promise;
        return octets.length;
      },
      reopen: () => Promise.resolve(),
      close: () => {},
    };
  }

  /** Ends the write with this ticket. */
  written(ticket: number, ok: boolean): void {
    const done = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    if (ok) done?.resolve();
    else done?.reject(new Error("the first thread could not write the lines"));
  }
}
