/**
 * What flows through a relay under the guard: octets go to its machine, and what comes out of it is written.
 *
 * @module
 */
import { concatBytes } from "../bytes/latin1.ts";
import type { Admission } from "../ports/admission.ts";
import type { Clock, Deadline } from "../ports/clock.ts";
import { type Transport, writeFor, type Writer } from "../ports/transport.ts";
import type { GuardNote, GuardQuestion } from "../session/guard_rules.ts";
import type { RelayGuard } from "../session/relay_guard.ts";
import type { SpokenReply } from "../session/replies.ts";
import { LINGER_MS } from "./linger.ts";

/**
 * So much that is said to a client is with it when it has said QUIT. Where it is more, some may still wait in the kernel,
 * which throws it away when the connection is closed and the client has sent anything that was not read.
 */
const HEARD_OCTETS = 4_096;
/** What is smaller is written in one piece. */
const JOINED_OCTETS = 4_096;

export interface GuardedFlowOptions {
  readonly guard: RelayGuard;
  /** `smtp_data_timeout` in milliseconds. */
  readonly dataTimeoutMs: number;
  /** `smtp_min_data_rate` in octets a second; 0 for none. */
  readonly minDataRate: number;
  /** Answers what the guard asks. */
  readonly admit: (question: GuardQuestion) => Admission | Promise<Admission>;
  /** Told of everything, soon after it happened. */
  readonly note: (note: GuardNote) => void;
}

/** A relay under the guard, as the connection that runs it sees it. */
export interface RelayControl {
  /** Whether a transaction is open, or a reply is awaited. */
  readonly inFlight: boolean;
  /** Says `lastWord` and ends the session as soon as nothing is in flight: at once when nothing is. */
  drain(lastWord: SpokenReply): void;
}

/** Both directions of one relay. None of its promises rejects. */
export class GuardedFlow implements RelayControl, OutletOwner {
  readonly #guard: RelayGuard;
  readonly #options: GuardedFlowOptions;
  readonly #clock: Clock;
  readonly #upstream: Transport;
  readonly #toClient: Outlet;
  readonly #toUpstream: Outlet;
  #over = false;
  /** Whoever waits for that. */
  #concluded: (() => void) | null = null;
  /** Whoever waits until the mail server has said more. */
  #progress: (() => void) | null = null;
  readonly #deadline: Deadline;
  /** Time that the client has left for the rest of its content; null while it sends none. */
  #budgetMs: number | null = null;
  #waitsSince = 0;
  /** Whether the end of the session may be awaited without a look at what the client does. */
  #mayPart: boolean;

  constructor(client: Transport, upstream: Transport, options: GuardedFlowOptions, clock: Clock) {
    this.#guard = options.guard;
    this.#options = options;
    this.#clock = clock;
    this.#upstream = upstream;
    this.#toClient = new Outlet(client, options.guard.toClient, this);
    this.#toUpstream = new Outlet(upstream, options.guard.toUpstream, null);
    this.#deadline = clock.deadline(() => this.#expire());
    // TLS has its own way to say that it ends.
    this.#mayPart = client.tls === null || client.end !== undefined;
  }

  get inFlight(): boolean {
    return this.#guard.inFlight;
  }

  /** Why the guard ended the session, if it did. */
  get end(): "refused" | "drained" | null {
    return this.#guard.drained ? "drained" : this.#guard.refused !== null ? "refused" : null;
  }

  /** Whether the mail server was cut off by the guard over what the client did. */
  get cutForClient(): boolean {
    return this.#guard.cut && !this.#guard.upstreamFailed;
  }

  /** Whether the mail server went away while something waited for its reply. */
  get deserted(): boolean {
    return this.#guard.deserted;
  }

  /** Settles when the client was told all that it will be told; null: it was. For one who waits. */
  over(): Promise<void> | null {
    return this.#over ? null : new Promise((resolve) => this.#concluded = resolve);
  }

  /** Whether the mail server takes more; the one that was cut off has to take nothing. */
  get takesFromClient(): boolean {
    return this.#guard.cut || !this.#toUpstream.lost;
  }

  /** Whether the client takes more. */
  get takesFromUpstream(): boolean {
    return !this.#toClient.lost;
  }

  get octetsToClient(): number {
    return this.#toClient.octets;
  }

  get octetsToUpstream(): number {
    return this.#toUpstream.octets;
  }

  drain(lastWord: SpokenReply): void {
    // The mail server's 221 was the last word.
    if (this.#guard.parting === "granted") return this.#upstream.close();
    this.#guard.drain(lastWord);
    void this.#write();
  }

  /** Takes what the client sent. Settles when `bytes` may be used again; null: now. */
  fromClient(bytes: Uint8Array): Promise<unknown> | null {
    const at = this.#read(bytes, 0);
    const written = this.#write();
    // What large messages are made of: it costs what a blind pipe costs.
    if (at === bytes.length && this.#guard.question === null) return written;
    return this.#fromClient(bytes, at, written);
  }

  async #fromClient(bytes: Uint8Array, read: number, begun: Promise<unknown> | null): Promise<void> {
    const guard = this.#guard;
    let at = read;
    for (let written = begun;; written = this.#write()) {
      if (written !== null) await written;
      if (!this.takesFromClient) return;
      if (guard.question !== null) {
        const admission = await this.#options.admit(guard.question);
        if (guard.question !== null) guard.answer(admission, this.#clock.now());
      } else if (at >= bytes.length) {
        return;
      } else {
        if (guard.blocked) await new Promise<void>((resolve) => this.#progress = resolve);
        at = this.#read(bytes, at);
      }
    }
  }

  #read(bytes: Uint8Array, at: number): number {
    const next = this.#guard.fromClient(bytes, at, this.#clock.now());
    if (!this.#guard.receiving && this.#budgetMs !== null) {
      this.#budgetMs = null;
      // It may run although nothing is read: it was set when the content that waited here could go on.
      this.#deadline.disarm();
    }
    return next;
  }

  /** Takes what the mail server sent. Settles when `bytes` may be used again; null: now. */
  fromUpstream(bytes: Uint8Array): Promise<unknown> | null {
    this.#guard.fromUpstream(bytes, this.#clock.now());
    // The client's next octets are content, and the read for them is under way.
    if (this.#guard.receiving && this.#budgetMs === null) this.clientAwaited();
    // Not for the mail server to take octets: it may take none before it has said all that it wants to.
    const written = this.#write(false);
    this.#proceed();
    return written;
  }

  /**
   * After QUIT and before the next read from the client; null where it is to be read as ever. It has nothing more to
   * say, and a read would as a rule only find that it has gone, which the runtime tells with an error. True when its
   * mail server has let it go and it was told so; false when it has to be read all the same.
   */
  parting(): Promise<boolean> | null {
    if (!this.#mayPart || this.#guard.parting === null) return null;
    // Longer than that a client is not left unwatched.
    this.#deadline.arm(LINGER_MS);
    return new Promise((resolve) => this.#part(resolve));
  }

  /** Looks whether the client has gone, or is not to go, whenever something has happened. */
  #part(resolve: (parted: boolean) => void): void {
    const guard = this.#guard;
    if (this.#mayPart && guard.parting !== null && !this.#parted && !guard.over && !this.#toClient.lost) {
      this.#progress = () => this.#part(resolve);
      return;
    }
    this.#deadline.disarm();
    const parted = this.#mayPart && this.#parted;
    this.#mayPart = false;
    resolve(parted);
  }

  /**
   * For the outlet to the client: whether what is written now is the 221 to the client's QUIT, and the client need not be
   * heard any more.
   */
  isLast(): boolean {
    if (!this.#mayPart || this.#guard.parting !== "granted") return false;
    this.#mayPart = this.#toClient.octets <= HEARD_OCTETS;
    return this.#mayPart;
  }

  /** Whether the 221 to the client's QUIT is written. */
  get #parted(): boolean {
    return this.#guard.parting === "granted" && !this.#toClient.busy;
  }

  /** The client sends nothing more. Settles when all that comes of it is written; null: it is. */
  clientEnded(): Promise<unknown> | null {
    this.#deadline.disarm();
    this.#guard.clientEnded();
    return this.#write();
  }

  /** The mail server says nothing more. Settles when all that comes of it is written; null: it is. */
  upstreamEnded(): Promise<unknown> | null {
    this.#guard.upstreamEnded(this.#clock.now());
    const written = this.#write();
    this.#proceed();
    return written;
  }

  /** The relay has ended. */
  finish(): void {
    this.#deadline.disarm();
    this.#guard.finish(this.#clock.now());
    this.#tell();
  }

  /** A read from the client begins: its time for content runs, if it sends any. */
  clientAwaited(): void {
    if (!this.#guard.receiving) return;
    this.#budgetMs ??= this.#options.dataTimeoutMs;
    this.#waitsSince = this.#clock.now();
    this.#deadline.arm(Math.max(1, this.#budgetMs));
  }

  /** The read has given `octets`. */
  clientHeard(octets: number): void {
    if (this.#budgetMs === null) return;
    this.#deadline.disarm();
    const { dataTimeoutMs, minDataRate } = this.#options;
    const left = this.#budgetMs - (this.#clock.now() - this.#waitsSince);
    const earned = minDataRate > 0 ? octets * 1000 / minDataRate : dataTimeoutMs;
    this.#budgetMs = Math.min(dataTimeoutMs, left + earned);
  }

  /** Neither side has moved for too long: the client is told, and the mail server is cut off. */
  expireIdle(): void {
    this.#guard.expireIdle(this.#clock.now());
    void this.#write();
  }

  #expire(): void {
    if (this.#guard.parting !== null) {
      this.#mayPart = false;
      return this.#proceed();
    }
    const now = this.#clock.now();
    const silent = now - this.#waitsSince >= this.#options.dataTimeoutMs;
    this.#guard.expire(silent ? "data_timeout" : "data_too_slow", now);
    void this.#write();
  }

  #proceed(): void {
    const progress = this.#progress;
    this.#progress = null;
    progress?.();
  }

  /** Tells of what came out of the guard and begins to write it. Settles when it is written; null: it is. */
  #write(toUpstream = true): Promise<unknown> | null {
    const guard = this.#guard;
    if (guard.notes.length > 0) this.#tell();
    let up: Promise<void> | null = null;
    if (guard.cut) {
      guard.toUpstream.length = 0;
      this.#upstream.close();
    } else if (toUpstream) up = this.#toUpstream.flush();
    const down = this.#toClient.flush();
    if (down === null) {
      if (guard.over) this.idle();
      return up;
    }
    return up === null ? down : Promise.all([up, down]);
  }

  /** For the outlet to the client: all that came out for it is written, or it is gone. */
  idle(): void {
    if (this.#guard.over || this.#toClient.lost) {
      this.#over = true;
      this.#concluded?.();
      // What is over has to end, whether or not the mail server wants it to.
      this.#upstream.close();
    }
    this.#proceed();
  }

  #tell(): void {
    const { notes } = this.#guard;
    for (const note of notes) this.#options.note(note);
    notes.length = 0;
  }
}

/** Who has to know what becomes of what is written. */
interface OutletOwner {
  /** All is written, or the peer is lost. */
  idle(): void;
  /** Whether the write that begins, with all that is queued, is the last. */
  isLast(): boolean;
}

/** Writes what is queued for one peer: one write at a time, whoever asks for it. */
class Outlet implements Writer {
  readonly #transport: Transport;
  readonly #queue: Uint8Array[];
  readonly #owner: OutletOwner | null;
  #flushing: Promise<void> | null = null;
  /** Octets of the write that is under way. */
  #length = 0;
  octets = 0;
  lost = false;

  constructor(transport: Transport, queue: Uint8Array[], owner: OutletOwner | null) {
    this.#transport = transport;
    this.#queue = queue;
    this.#owner = owner;
  }

  get busy(): boolean {
    return this.#flushing !== null;
  }

  /** Settles when nothing is queued any more; null: nothing is. Never rejects. */
  flush(): Promise<void> | null {
    if (this.#flushing === null && this.#queue.length > 0) this.#flushing = this.#writeNext();
    return this.#flushing;
  }

  #writeNext(): Promise<void> {
    const octets = this.#next();
    this.#length = octets.length;
    const to = this.#transport;
    const last = this.#queue.length === 0 && this.#owner?.isLast() === true;
    if (last && to.end !== undefined) {
      return to.end(octets).then(() => this.written(), () => this.notWritten());
    }
    return writeFor(to, octets, this);
  }

  /** For the transport. */
  written(): Promise<void> | undefined {
    this.octets += this.#length;
    // What was queued meanwhile is awaited by those who await this.
    if (this.#queue.length > 0) return this.#writeNext();
    this.#flushing = null;
    this.#owner?.idle();
    return undefined;
  }

  /** For the transport. */
  notWritten(): void {
    this.lost = true;
    this.#queue.length = 0;
    this.#flushing = null;
    this.#owner?.idle();
  }

  /** The first of the queue, with as many of those behind it as go into one small write. */
  #next(): Uint8Array {
    const queue = this.#queue;
    if (queue.length === 1) return queue.pop()!;
    let octets = queue[0]!.length;
    let count = 1;
    while (count < queue.length && octets + queue[count]!.length <= JOINED_OCTETS) {
      octets += queue[count++]!.length;
    }
    return count === 1 ? queue.shift()! : concatBytes(queue.splice(0, count));
  }
}
