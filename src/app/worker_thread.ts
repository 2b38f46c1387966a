import type { Config } from "../config/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { LimitStore } from "../ports/limit_store.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { destinationKey, type LogOutputs } from "../telemetry/log_outputs.ts";
import type { LogSink } from "../telemetry/log_sink.ts";
import type { AdminAnswer, AdminQuestion } from "./admin_questions.ts";
import { HostedLimits } from "./hosted_limits.ts";
import type { FromWorker, HeldUsers, ToWorker } from "./worker_messages.ts";

/** The part of `Worker` that is used. */
export interface Thread {
  postMessage(message: ToWorker): void;
  terminate(): void;
  onmessage: ((event: MessageEvent<FromWorker>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

/** How a worker ended: `stopped` when it was asked to, with the reason when it was not. */
export type WorkerEnd = { readonly kind: "stopped" } | { readonly kind: "crashed"; readonly reason: string };

/** What a worker says to another configuration; null when it ended before. */
export type WorkerPrepared = readonly SocketAddress[] | { readonly reason: string } | null;

/** One worker from its start to its end, seen from the first thread, which writes its log lines. */
export class WorkerThread {
  /** Where it listens, once it does; null when it ended before. */
  readonly serving: Promise<readonly SocketAddress[] | null>;
  readonly ended: Promise<WorkerEnd>;
  readonly #thread: Thread;
  readonly #outputs: LogOutputs;
  readonly #limits: HostedLimits;
  readonly #sinks = new Map<string, LogSink>();
  readonly #serving = Promise.withResolvers<readonly SocketAddress[] | null>();
  readonly #ended = Promise.withResolvers<WorkerEnd>();
  #prepared: ((answer: WorkerPrepared) => void) | null = null;
  /** Who waits for the answer with a ticket; null when the worker has ended. */
  #asked: Map<number, (answer: AdminAnswer | null) => void> | null = new Map();
  #tickets = 0;

  constructor(
    thread: Thread,
    start: ToWorker & { readonly kind: "start" },
    { outputs, limits }: { readonly outputs: LogOutputs; readonly limits: LimitStore },
  ) {
    this.#thread = thread;
    this.#outputs = outputs;
    this.#limits = new HostedLimits(limits, (message) => thread.postMessage(message));
    this.serving = this.#serving.promise;
    this.ended = this.#ended.promise;
    thread.onmessage = ({ data }) => this.#receive(data);
    thread.onerror = (event) => {
      // It is told here; otherwise it would end the process.
      event.preventDefault();
      const place = event.filename ? ` (${event.filename}:${event.lineno})` : "";
      this.end({ kind: "crashed", reason: event.message + place });
    };
    thread.postMessage(start);
  }

  /** Asks it to make another configuration ready; where it listens under it, or why it cannot. */
  prepare(config: Config, listeners: readonly SocketAddress[]): Promise<WorkerPrepared> {
    return new Promise((resolve) => {
      this.#prepared = resolve;
      this.#thread.postMessage({ kind: "prepare", config, listeners });
      void this.ended.then(() => resolve(null));
    });
  }

  /** Puts what it made ready in force. */
  commit(): void {
    this.#thread.postMessage({ kind: "commit" });
  }

  /** Gives up what it made ready. */
  abort(): void {
    this.#thread.postMessage({ kind: "abort" });
  }

  /** Asks it something; null when it has ended, ends before it answers, or takes longer than `ms`. */
  ask(question: AdminQuestion, clock: Clock, ms: number): Promise<AdminAnswer | null> {
    const asked = this.#asked;
    if (asked === null) return Promise.resolve(null);
    const ticket = ++this.#tickets;
    return new Promise((resolve) => {
      const late = clock.deadline(() => settle(null));
      const settle = (answer: AdminAnswer | null) => {
        late.disarm();
        asked.delete(ticket);
        resolve(answer);
      };
      asked.set(ticket, settle);
      late.arm(ms);
      this.#thread.postMessage({ kind: "ask", ticket, question });
    });
  }

  /** Tells it which users are held. */
  hold(holds: HeldUsers): void {
    this.#thread.postMessage({ kind: "hold", holds });
  }

  /** Asks it to end its sessions and itself. */
  stop(graceMs: number): void {
    this.#thread.postMessage({ kind: "stop", graceMs });
  }

  /** Ends it at once. Idempotent: the first end counts. */
  end(how: WorkerEnd): void {
    this.#thread.onmessage = null;
    this.#thread.terminate();
    this.#limits.end();
    for (const sink of this.#sinks.values()) sink.close();
    this.#sinks.clear();
    for (const settle of this.#asked?.values() ?? []) settle(null);
    this.#asked = null;
    this.#serving.resolve(null);
    this.#ended.resolve(how);
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "serving":
        this.#serving.resolve(message.addresses);
        break;
      case "failed":
        this.end({ kind: "crashed", reason: message.reason });
        break;
      case "prepared":
        this.#prepared?.(message.addresses);
        break;
      case "unprepared":
        this.#prepared?.({ reason: message.reason });
        break;
      case "answer":
        this.#asked?.get(message.ticket)?.(message.answer);
        break;
      case "stopped":
        this.end({ kind: "stopped" });
        break;
      case "lines":
        void this.#write(message);
        break;
      default:
        this.#limits.receive(message);
        break;
    }
  }

  async #write({ ticket, to, octets }: FromWorker & { readonly kind: "lines" }): Promise<void> {
    let ok = true;
    try {
      await this.#sinkOf(to).write(octets);
    } catch {
      // The worker's log counts what was lost, and tells it when lines can be written again.
      ok = false;
    }
    this.#thread.postMessage({ kind: "written", ticket, ok });
  }

  #sinkOf(to: Parameters<LogOutputs["open"]>[0]): LogSink {
    const key = destinationKey(to);
    const sink = this.#sinks.get(key) ?? this.#outputs.open(to);
    this.#sinks.set(key, sink);
    return sink;
  }
}
