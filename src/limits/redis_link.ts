import type { Clock, Deadline } from "../ports/clock.ts";
import type { Connector } from "../ports/transport.ts";
import { reasonOf, type RedisConnection } from "./redis_connection.ts";
import type { RedisReply } from "./redis_reply.ts";
import { type ScriptName, SCRIPTS } from "./redis_scripts.ts";
import { good, type RedisTarget, signIn } from "./redis_sign_in.ts";

/** Between two tries to connect, milliseconds. */
const RETRY_MS = 1_000;

export interface RedisLinkOptions {
  readonly target: RedisTarget;
  readonly connector: Connector;
  /** For connecting, and for each call; milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called when there is a connection again, before anybody else may use it. */
  readonly ready: (call: ScriptCall) => Promise<void>;
  /** Called when an outage begins, with the reason, and with null when it has ended. */
  readonly changed: (reason: string | null) => void;
}

/** A script to run, with what it is to be told. */
export interface Question<Answer> {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  /** @throws {Error} when the reply is none of the script's. */
  readonly read: (reply: RedisReply) => Answer;
}

/** Runs a script; an error of any kind ends the connection, and another one is opened. */
export type ScriptCall = <Answer>(question: Question<Answer>) => Promise<Answer>;

interface Connected {
  readonly connection: RedisConnection;
  /** Name of each script's text at the server. */
  readonly names: Readonly<Record<ScriptName, string>>;
}

/** SHA-1 of a script's text, in hexadecimal. */
const SCRIPT_NAME = /^[0-9a-f]{40}$/;

/**
 * One connection to Redis or Valkey, opened again and again. While there is none, calls fail at once: an outage costs
 * nobody a wait but those who were waiting when it began.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #closing = new AbortController();
  readonly #keeping: Promise<void>;
  #connected: Connected | null = null;
  #lost: ((reason: string) => void) | null = null;
  #away = false;
  /** Settles when the first try to connect is over; null from then on. */
  #first: PromiseWithResolvers<void> | null = Promise.withResolvers();

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#keeping = this.#keep();
  }

  /** Whether there is a connection. */
  get up(): boolean {
    return this.#connected !== null;
  }

  /** Runs a script. @throws {Error} when there is no answer in time, whatever the reason. */
  async call<Answer>(question: Question<Answer>): Promise<Answer> {
    // A store that was not asked yet is not away: who comes right after the start counts like all others.
    if (this.#first !== null) await this.#within(this.#first.promise);
    if (this.#connected === null) throw new Error("there is no connection");
    return await this.#run(this.#connected, question);
  }

  /** Sets a key for a time, and does not say whether it worked. */
  async remember(key: string, milliseconds: number): Promise<void> {
    const connected = this.#connected;
    if (connected === null) return;
    await this.#guarded(connected, ["SET", key, "1", "PX", String(milliseconds)], () => {}).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#lost?.("closed");
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const reason = await this.#serve();
      if (signal.aborted) return;
      if (!this.#away) this.#options.changed(reason);
      this.#away = true;
      await this.#options.clock.sleep(RETRY_MS, signal);
    }
  }

  /** Connects and serves; settles with the reason when that is over. */
  async #serve(): Promise<string> {
    const { promise: lost, resolve } = Promise.withResolvers<string>();
    this.#lost = resolve;
    const over = new AbortController();
    try {
      const opening = this.#open(over.signal).then((connected) => this.#begin(connected));
      const reason = await Promise.race([opening.then(() => null, reasonOf), lost]);
      return reason ?? await lost;
    } finally {
      this.#connected = null;
      this.#lost = null;
      over.abort();
      this.#tried();
    }
  }

  #tried(): void {
    this.#first?.resolve();
    this.#first = null;
  }

  async #open(over: AbortSignal): Promise<Connected> {
    const { target, connector } = this.#options;
    const connection = await this.#within(signIn(target, connector, over));
    void connection.ended.then((reason) => {
      if (!over.aborted) this.#lose(reason);
    });
    const names = {} as Record<ScriptName, string>;
    for (const [script, text] of Object.entries(SCRIPTS) as [ScriptName, string][]) {
      const name = good(await this.#within(connection.ask(["SCRIPT", "LOAD", text])), target);
      if (typeof name !== "string" || !SCRIPT_NAME.test(name)) throw new Error("it does not name a script");
      names[script] = name;
    }
    return { connection, names };
  }

  async #begin(connected: Connected): Promise<void> {
    await this.#options.ready((question) => this.#run(connected, question));
    // Meanwhile it may have ended.
    if (this.#lost === null) return;
    this.#connected = connected;
    this.#tried();
    if (this.#away) this.#options.changed(null);
    this.#away = false;
  }

  #run<Answer>(connected: Connected, { script, keys, args, read }: Question<Answer>): Promise<Answer> {
    const command = ["EVALSHA", connected.names[script], String(keys.length), ...keys, ...args.map(String)];
    return this.#guarded(connected, command, read);
  }

  async #guarded<Answer>(
    { connection }: Connected,
    command: readonly string[],
    read: (reply: RedisReply) => Answer,
  ): Promise<Answer> {
    try {
      return read(good(await this.#within(connection.ask(command)), this.#options.target));
    } catch (error) {
      // Whatever it is, a fresh connection may find another server, or the scripts where a restart forgot them.
      if (this.#connected?.connection === connection) this.#lose(reasonOf(error));
      throw error;
    }
  }

  #lose(reason: string): void {
    this.#connected = null;
    this.#lost?.(reason);
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const deadline: Deadline = clock.deadline(() => reject(new Error(`no answer within ${timeoutMs} ms`)));
      deadline.arm(timeoutMs);
      answer.then(resolve, reject).finally(() => deadline.disarm());
    });
  }
}
