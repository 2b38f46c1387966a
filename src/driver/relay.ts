/**
 * The relay: octets between the client and its mail server, both ways, until either ends.
 *
 * @module
 */
import type { Clock, Deadline } from "../ports/clock.ts";
import { ConnectionError, type Transport } from "../ports/transport.ts";
import { closeLingering, LINGER_MS } from "./linger.ts";
import type { GuardedFlow } from "./guarded_flow.ts";
import { type BufferPool, SMALL_OCTETS } from "./buffer_pool.ts";

/** After this many small reads in a row a flow buffer goes back to the pool. */
const QUIET_READS = 2;

export interface RelayOptions {
  /** What the client sent before the relay began; goes to the mail server first. */
  readonly fromClient: Uint8Array;
  /** What the mail server sent behind its last reply; goes to the client first. */
  readonly fromUpstream: Uint8Array;
  /** `proxy_timeout` in milliseconds: the relay ends when neither direction moves for so long. */
  readonly timeoutMs: number;
  /** Whether a client that ends its side still gets what the mail server says to the rest of it. */
  readonly halfClose: boolean;
  /** Null: octets pass blindly. */
  readonly guarded: GuardedFlow | null;
  /** Is given what tells how far the relay is. */
  readonly began?: (progress: RelayProgress) => void;
}

/** Octets relayed so far, to the mail server and to the client. */
export type RelayProgress = () => readonly [toUpstream: number, toClient: number];

export interface RelayResult {
  readonly octetsToUpstream: number;
  readonly octetsToClient: number;
  readonly timedOut: boolean;
  /** Who ended it first. */
  readonly endedBy: "client" | "upstream";
  /** Whether he did so by a reset, or the mail server before its reply, and the text of the error then. */
  readonly reset: string | null;
  /** Why the guard ended it, if it did. */
  readonly byGuard: "refused" | "drained" | null;
}

/** As nginx's other proxies say it. */
const PREMATURE = "upstream prematurely closed connection";

/** `parted`: the source has nothing more to say and was told that it may go. */
type PumpEnd = "eof" | "source_lost" | "sink_lost" | "parted";

/** What a relay needs of its surroundings. */
export interface RelayPorts {
  readonly clock: Clock;
  readonly buffers: BufferPool;
}

/**
 * Relays until the mail server has ended the session and the client has heard all of it, or the connection of
 * either is lost. Both transports are closed when it settles. Never rejects.
 */
export function relay(
  client: Transport,
  upstream: Transport,
  options: RelayOptions,
  ports: RelayPorts,
): Promise<RelayResult> {
  return new Relay(client, upstream, options, ports).run();
}

/** Most of a session's life is spent here: as little as can be waits meanwhile, and what waits is small. */
class Relay {
  readonly #client: Transport;
  readonly #upstream: Transport;
  readonly #options: RelayOptions;
  readonly #clock: Clock;
  readonly #deadline: Deadline;
  readonly #toUpstream: Pump;
  readonly #toClient: Pump;
  #timedOut = false;
  #parted = false;
  #endedBy: RelayResult["endedBy"] | null = null;

  constructor(client: Transport, upstream: Transport, options: RelayOptions, { clock, buffers }: RelayPorts) {
    const { guarded, fromClient, fromUpstream } = options;
    this.#client = client;
    this.#upstream = upstream;
    this.#options = options;
    this.#clock = clock;
    this.#deadline = clock.deadline(() => this.#expire());
    const alive = () => this.#alive();
    const toUpstream = guarded === null ? new BlindPassage(upstream) : new ClientPassage(guarded);
    const toClient = guarded === null ? new BlindPassage(client) : new UpstreamPassage(guarded);
    this.#toUpstream = new Pump(client, toUpstream, fromClient, alive, buffers);
    this.#toClient = new Pump(upstream, toClient, fromUpstream, alive, buffers);
  }

  run(): Promise<RelayResult> {
    this.#alive();
    this.#options.began?.(() => [this.#toUpstream.octets, this.#toClient.octets]);
    // First what the mail server said before it heard any of the rest: it is no answer to that.
    const upstreamSide = this.#toClient.run().then((end) => this.#upstreamEnded(end));
    const clientSide = this.#toUpstream.run().then((end) => this.#clientEnded(end));
    return Promise.all([upstreamSide, clientSide]).then(() => this.#result());
  }

  #alive(): void {
    if (!this.#timedOut && !this.#parted) this.#deadline.arm(this.#options.timeoutMs);
  }

  #expire(): void {
    const { guarded } = this.#options;
    if (this.#parted || this.#timedOut || guarded === null) {
      this.#timedOut ||= !this.#parted;
      this.#close();
      return;
    }
    this.#timedOut = true;
    // Whoever does not take the last word is not waited for.
    this.#deadline.arm(LINGER_MS);
    guarded.expireIdle();
  }

  #close(): void {
    this.#client.close();
    this.#upstream.close();
  }

  async #upstreamEnded(end: PumpEnd): Promise<void> {
    const { guarded } = this.#options;
    this.#endedBy ??= guarded?.cutForClient ? "client" : "upstream";
    const written = guarded?.upstreamEnded() ?? null;
    if (written !== null) await written;
    if (end === "sink_lost") return this.#close();
    // A message that was refused may have an end that is waited for, and answered.
    const over = guarded?.over() ?? null;
    if (over !== null) await over;
    // Nothing that the client still sends can be answered, but it must be read: see closeLingering().
    this.#toUpstream.discard();
    this.#upstream.close();
    if (!this.#parted) await this.#endClient();
  }

  async #clientEnded(end: PumpEnd): Promise<void> {
    const { guarded, halfClose } = this.#options;
    if (end === "parted") {
      this.#parted = true;
      // The mail server closes first, as it has said: then no port of ours is kept for late segments of the connection.
      this.#deadline.arm(LINGER_MS);
      // What the client still says is not read. In TLS it is that it ends, as an answer to our own end.
      return this.#client.close();
    }
    this.#endedBy ??= "client";
    if (end !== "sink_lost") await guarded?.clientEnded();
    // Half-close: the mail server may still have replies to give. A client that is gone takes no reply.
    if (end === "eof" && halfClose) await this.#upstream.closeWrite();
    else if (end !== "sink_lost") this.#upstream.close();
    // A mail server that takes no more input may have said why: its direction decides what follows.
  }

  async #endClient(): Promise<void> {
    this.#deadline.disarm();
    if (this.#toUpstream.ended) return closeLingering(this.#client, this.#clock);
    // The other pump owns the read side and throws away what it reads.
    const linger = this.#clock.deadline(() => this.#client.close());
    linger.arm(LINGER_MS);
    await this.#client.closeWrite();
    await this.#toUpstream.run();
    linger.disarm();
  }

  #result(): RelayResult {
    const { guarded } = this.#options;
    this.#deadline.disarm();
    this.#close();
    guarded?.finish();
    const endedBy = this.#endedBy;
    const deserted = endedBy === "upstream" && guarded?.deserted ? PREMATURE : null;
    const endedFirst = endedBy === "upstream" ? this.#toClient : this.#toUpstream;
    return {
      octetsToUpstream: this.#toUpstream.octets,
      octetsToClient: this.#toClient.octets,
      timedOut: this.#timedOut,
      endedBy: endedBy ?? "client",
      reset: this.#timedOut ? null : endedFirst.reset ?? deserted,
      byGuard: guarded?.end ?? null,
    };
  }
}

/** Where the octets of one direction go. */
interface Passage {
  /** Octets that came out of it. */
  readonly octets: number;
  /** Not null where the source is not to be read now: true then when it need not be read any more. */
  parting(): Promise<boolean> | null;
  /** A read begins. */
  awaited(): void;
  /** The read has given so many octets. */
  heard(octets: number): void;
  /** Passes `bytes` on. Settles when they may be used again; null: now. Never rejects. */
  pass(bytes: Uint8Array): Promise<unknown> | null;
  /** Whether more is taken. */
  readonly open: boolean;
}

/** Octets pass as they are. */
class BlindPassage implements Passage {
  readonly #to: Transport;
  #length = 0;
  octets = 0;
  open = true;

  constructor(to: Transport) {
    this.#to = to;
  }

  parting(): null {
    return null;
  }

  awaited(): void {}
  heard(): void {}

  pass(bytes: Uint8Array): Promise<void> {
    this.#length = bytes.length;
    return this.#to.write(bytes).then(this.#passed, this.#lost);
  }

  readonly #passed = (): void => {
    this.octets += this.#length;
  };

  readonly #lost = (): void => {
    this.open = false;
  };
}

/** What the client says passes the guard. */
class ClientPassage implements Passage {
  readonly #flow: GuardedFlow;

  constructor(flow: GuardedFlow) {
    this.#flow = flow;
  }

  get octets(): number {
    return this.#flow.octetsToUpstream;
  }

  get open(): boolean {
    return this.#flow.takesFromClient;
  }

  parting(): Promise<boolean> | null {
    return this.#flow.parting();
  }

  awaited(): void {
    this.#flow.clientAwaited();
  }

  heard(octets: number): void {
    this.#flow.clientHeard(octets);
  }

  pass(bytes: Uint8Array): Promise<unknown> | null {
    return this.#flow.fromClient(bytes);
  }
}

/** What the mail server says passes the guard. */
class UpstreamPassage implements Passage {
  readonly #flow: GuardedFlow;

  constructor(flow: GuardedFlow) {
    this.#flow = flow;
  }

  get octets(): number {
    return this.#flow.octetsToClient;
  }

  get open(): boolean {
    return this.#flow.takesFromUpstream;
  }

  parting(): null {
    return null;
  }

  awaited(): void {}
  heard(): void {}

  pass(bytes: Uint8Array): Promise<unknown> | null {
    return this.#flow.fromUpstream(bytes);
  }
}

/** One direction. */
class Pump {
  readonly #from: Transport;
  readonly #to: Passage;
  readonly #first: Uint8Array;
  readonly #alive: () => void;
  readonly #buffers: BufferPool;
  #discarding = false;
  #running: Promise<PumpEnd> | null = null;
  ended = false;
  /** Text of the error when the source reset its connection. */
  reset: string | null = null;

  constructor(from: Transport, to: Passage, first: Uint8Array, alive: () => void, buffers: BufferPool) {
    this.#from = from;
    this.#to = to;
    this.#first = first;
    this.#alive = alive;
    this.#buffers = buffers;
  }

  get octets(): number {
    return this.#to.octets;
  }

  /** From now on input is read and thrown away. */
  discard(): void {
    this.#discarding = true;
  }

  /** Begins at the first call; settles when the pump has ended. */
  run(): Promise<PumpEnd> {
    return this.#running ??= this.#run();
  }

  async #run(): Promise<PumpEnd> {
    const small = this.#buffers.take(SMALL_OCTETS);
    let flow: Uint8Array | null = null;
    let quiet = 0;
    try {
      if (this.#first.length > 0) {
        const passing = this.#to.pass(this.#first);
        if (passing !== null) await passing;
        if (!this.#passed()) return "sink_lost";
      }
      while (true) {
        const buffer: Uint8Array = flow ?? small;
        let count: number | null;
        const parting = this.#to.parting();
        if (parting !== null && await parting) return "parted";
        if (!this.#discarding) this.#to.awaited();
        try {
          count = await this.#from.read(buffer);
        } catch (error) {
          if (error instanceof ConnectionError && error.code === "reset") this.reset = error.message;
          return "source_lost";
        }
        if (count === null) return "eof";
        if (!this.#discarding) {
          this.#to.heard(count);
          this.#alive();
          const passing = this.#to.pass(buffer.subarray(0, count));
          if (passing !== null) await passing;
          if (!this.#passed()) return "sink_lost";
        }
        if (flow === null) {
          if (count === SMALL_OCTETS) flow = this.#buffers.takeFlow();
        } else if (count >= SMALL_OCTETS) {
          if (count === flow.length) flow = this.#buffers.exchangeFlow(flow);
          quiet = 0;
        } else if (++quiet === QUIET_READS) {
          this.#buffers.give(flow);
          flow = null;
          quiet = 0;
        }
      }
    } finally {
      this.ended = true;
      if (flow !== null) this.#buffers.give(flow);
      this.#buffers.give(small);
    }
  }

  /** Octets were passed on; false when no more are taken. */
  #passed(): boolean {
    // Discarding began while the write was under way: the sink was closed on purpose.
    if (!this.#to.open) return this.#discarding;
    this.#alive();
    return true;
  }
}
