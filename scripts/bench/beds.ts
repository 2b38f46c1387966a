/**
 * Proxies that serve one load after the other, and the mail servers behind them.
 *
 * @module
 */
import { isLarge, type LatencyCase, type SessionsCase } from "./cases.ts";
import { PostfixSink } from "./postfix_peers.ts";
import { type Proxy, type ProxyName, startProxy } from "./proxies.ts";
import type { SinkTotals } from "./sink_session.ts";
import type { Surroundings } from "./surroundings.ts";

/** Loads that a process serves again and again. */
export type MeasuredCase = SessionsCase | LatencyCase;

/** A proxy and the mail server behind it. */
export class Bed {
  readonly proxy: Proxy;
  readonly sinkPid: number;
  readonly #postfix: PostfixSink | null;
  readonly #takeOwn: () => Promise<SinkTotals>;
  #plain = 0;
  #starttls = 0;

  private constructor(proxy: Proxy, postfix: PostfixSink | null, { sink }: Surroundings) {
    this.proxy = proxy;
    this.sinkPid = postfix?.pid ?? sink.pid;
    this.#postfix = postfix;
    this.#takeOwn = () => sink.ask({});
  }

  /** Starts a proxy for a load, and the mail server where it is one of its own. */
  static async make(name: ProxyName, load: MeasuredCase, surroundings: Surroundings): Promise<Bed> {
    const { processes, folder } = surroundings;
    const postfix = hasPostfix(load) ? await PostfixSink.start(processes, folder, load.octets[0]!) : null;
    const sinkPort = postfix?.port ?? surroundings.sinkPort;
    const proxy = await startProxy(name, { ...surroundings, sinkPort, workers: load.workers });
    return new Bed(proxy, postfix, surroundings);
  }

  /** Sessions of the load's kind that were served until now. */
  served({ starttls }: MeasuredCase): number {
    return starttls ? this.#starttls : this.#plain;
  }

  /** Sessions of the load's kind were served. */
  serve({ starttls }: MeasuredCase, sessions: number): void {
    if (starttls) this.#starttls += sessions;
    else this.#plain += sessions;
  }

  /** What came at the mail server since it was asked last. */
  take(): Promise<SinkTotals> {
    return this.#postfix?.take() ?? this.#takeOwn();
  }

  async end(): Promise<void> {
    await this.proxy.end();
    await this.#postfix?.end();
  }
}

/** Keeps those that serve short sessions for the loads to come: what made them warm need not be done again. */
export class Beds {
  readonly #surroundings: Surroundings;
  readonly #kept = new Map<string, Bed>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** The bed of a proxy for a load, started if need be. */
  async of(name: ProxyName, load: MeasuredCase): Promise<Bed> {
    const key = keyOf(name, load);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const bed = await Bed.make(name, load, this.#surroundings);
    this.#kept.set(key, bed);
    return bed;
  }

  /** The load is over: large messages leave buffers behind that are no other load's. */
  async release(name: ProxyName, load: MeasuredCase): Promise<void> {
    if (load.kind === "latency" || !isLarge(load)) return;
    const key = keyOf(name, load);
    await this.#kept.get(key)?.end();
    this.#kept.delete(key);
  }

  async end(): Promise<void> {
    for (const bed of this.#kept.values()) await bed.end();
    this.#kept.clear();
  }
}

function hasPostfix(load: MeasuredCase): load is SessionsCase {
  return load.kind === "sessions" && load.peers === "postfix";
}

function keyOf(name: ProxyName, load: MeasuredCase): string {
  const own = load.kind === "sessions" && isLarge(load) ? load.name : "short";
  return [name, own, load.workers, hasPostfix(load) ? load.octets[0] : "own"].join();
}
