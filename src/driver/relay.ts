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

/**
 * Relays until the mail server has ended the session and the client has heard all of it, or the connection of
 * either is lost. Both transports are closed when it settles. Never rejects.
 */
export async function relay(
  client: Transport,
  upstream: Transport,
  options: RelayOptions,
  ports: { readonly clock: Clock; readonly buffers: BufferPool },
): Promise<RelayResult> {
  let timedOut = false;
  let parted = false;
  let endedBy: RelayResult["endedBy"] | null = null;
  const { guarded } = options;
  const deadline = ports.clock.deadline(() => {
    if (parted) {
      client.close();
      return upstream.close();
    }
    if (timedOut || guarded === null) {
      timedOut = true;
      client.close();
      upstream.close();
      return;
    }
    timedOut = true;
    // Whoever does not take the last word is not waited for.
    deadline.arm(LINGER_MS);
    guarded.expireIdle();
  });
  deadline.arm(options.timeoutMs);
  const alive = () => {
    if (!timedOut && !parted) deadline.arm(options.timeoutMs);
  };
  const toUpstream = new Pump(
    client,
    guarded === null ? new BlindPassage(upstream) : new ClientPassage(guarded),
    options.fromClient,
    alive,
    ports.buffers,
  );
  const toClient = new Pump(
    upstream,
    guarded === null ? new BlindPassage(client) : new UpstreamPassage(guarded),
    options.fromUpstream,
    alive,
    ports.buffers,
  );
  options.began?.(() => [toUpstream.octets, toClient.octets]);

  const upstreamSide = async () => {
    const end = await toClient.run();
    endedBy ??= guarded?.cutForClient ? "client" : "upstream";
    const written = guarded?.upstreamEnded() ?? null;
    if (written !== null) await written;
    if (end === "sink_lost") {
      client.close();
      upstream.close();
      return;
    }
    // A message that was refused may have an end that is waited for, and answered.
    const over = guarded?.over() ?? null;
    if (over !== null) await over;
    // Nothing that the client still sends can be answered, but it must be read: see closeLingering().
    toUpstream.discard();
    upstream.close();
    if (!parted) await endClient(client, toUpstream, deadline, ports.clock);
  };
  const clientSide = async () => {
    const end = await toUpstream.run();
    if (end === "parted") {
      parted = true;
      // The mail server closes first, as it has said: then no port of ours is kept for late segments of the connection.
      deadline.arm(LINGER_MS);
      // What the client still says is not read. In TLS it is that it ends, as an answer to our own end.
      return client.close();
    }
    endedBy ??= "client";
    if (end !== "sink_lost") await guarded?.clientEnded();
    // Half-close: the mail server may still have replies to give. A client that is gone takes no reply.
    if (end === "eof" && options.halfClose) await upstream.closeWrite();
    else if (end !== "sink_lost") upstream.close();
    // A mail server that takes no more input may have said why: its direction decides what follows.
  };
  // First what the mail server said before it heard any of the rest: it is no answer to that.
  await Promise.all([upstreamSide(), clientSide()]);
  deadline.disarm();
  client.close();
  upstream.close();
  guarded?.finish();
  const deserted = endedBy === "upstream" && guarded?.deserted ? PREMATURE : null;
  return {
    octetsToUpstream: toUpstream.octets,
    octetsToClient: toClient.octets,
    timedOut,
    endedBy: endedBy ?? "client",
    reset: timedOut ? null : (endedBy === "upstream" ? toClient : toUpstream).reset ?? deserted,
    byGuard: guarded?.end ?? null,
  };
}

async function endClient(client: Transport, toUpstream: Pump, idle: Deadline, clock: Clock): Promise<void> {
  idle.disarm();
  if (toUpstream.ended) return closeLingering(client, clock);
  // The other pump owns the read side and throws away what it reads.
  const linger = clock.deadline(() => client.close());
  linger.arm(LINGER_MS);
  await client.closeWrite();
  await toUpstream.run();
  linger.disarm();
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
