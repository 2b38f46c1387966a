import type { Listener, SocketAddress, Transport } from "../ports/transport.ts";

/**
 * One listening socket that serves the listeners of several addresses. Connections are accepted only while some
 * listener asks for one; those for another listener wait in its queue, at most `queueLength` of them.
 */
export class SharedSocket {
  readonly #socket: Listener;
  readonly #queueLength: number;
  readonly #claims = new Map<string, Claim>();
  #accepting = false;

  constructor(socket: Listener, queueLength: number) {
    this.#socket = socket;
    this.#queueLength = queueLength;
  }

  /** The listener for `address`: an address of the port, or a wildcard for those that nobody else claims. */
  claim(address: SocketAddress): Listener {
    const claim = new Claim(
      address,
      this.#queueLength,
      () => this.#acceptWhileAsked(),
      () => this.#closeUnlessUsed(),
    );
    this.#claims.set(hostOf(address), claim);
    return claim;
  }

  async #acceptWhileAsked(): Promise<void> {
    if (this.#accepting) return;
    this.#accepting = true;
    while (this.#isAsked()) {
      const accepted = await this.#socket.accept();
      if (accepted === null) break;
      const claim = this.#ownerOf(hostOf(accepted.local));
      if (claim === undefined || !claim.give(accepted)) accepted.close();
    }
    this.#accepting = false;
  }

  #ownerOf(host: string): Claim | undefined {
    const ofFamily = host.includes(":") ? undefined : this.#claims.get("0.0.0.0");
    return this.#claims.get(host) ?? ofFamily ?? this.#claims.get("::");
  }

  #isAsked(): boolean {
    for (const claim of this.#claims.values()) {
      if (claim.waiting) return true;
    }
    return false;
  }

  #closeUnlessUsed(): void {
    for (const claim of this.#claims.values()) {
      if (!claim.closed) return;
    }
    this.#socket.close();
  }
}

class Claim implements Listener {
  readonly address: SocketAddress;
  closed = false;
  readonly #queueLength: number;
  readonly #ask: () => void;
  readonly #released: () => void;
  readonly #queue: Transport[] = [];
  readonly #waiters: ((accepted: Transport | null) => void)[] = [];

  constructor(address: SocketAddress, queueLength: number, ask: () => void, released: () => void) {
    this.address = address;
    this.#queueLength = queueLength;
    this.#ask = ask;
    this.#released = released;
  }

  get waiting(): boolean {
    return this.#waiters.length > 0;
  }

  /** Takes a connection unless this is closed or its queue is full. */
  give(accepted: Transport): boolean {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter(accepted);
      return true;
    }
    if (this.closed || this.#queue.length >= this.#queueLength) return false;
    this.#queue.push(accepted);
    return true;
  }

  accept(): Promise<Transport | null> {
    const queued = this.#queue.shift();
    if (queued !== undefined) return Promise.resolve(queued);
    if (this.closed) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#ask();
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter(null);
    for (const queued of this.#queue.splice(0)) queued.close();
    this.#released();
  }
}

function hostOf(address: SocketAddress): string {
  return address.kind === "tcp" ? address.host : "";
}
