/**
 * The listening sockets of a configuration, and of the one that follows it.
 *
 * A wildcard socket of the runtime takes every address of its port (`[::]` takes IPv4 too). As nginx does, only the
 * wildcard is opened where both are configured, and the local address of each connection tells whose it is.
 *
 * When the configuration changes, a socket that both need stays open and changes its owner between two connections:
 * nothing waits and nothing is refused. What is no longer needed is closed once its queue is empty, as the kernel
 * resets the connections that wait in the queue of a socket that is closed.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { ListenSettings } from "../config/settings.ts";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import type { AcceptLoop } from "./accept_loop.ts";
import { openListener } from "./listener.ts";

/** Listeners that are open and serve nobody yet. */
export interface PreparedListeners<Owner> {
  /** Of each listener, in order, with the port that the kernel chose. */
  readonly addresses: readonly SocketAddress[];
  /** Gives every connection from now on to the owner of its listener; settles when what is not needed is closed. */
  commit(owners: readonly Owner[]): Promise<void>;
  /** Closes what was opened for this. */
  abort(): void;
}

/** A socket, and who gets the connections for which of its addresses. */
interface Socket<Owner> {
  readonly loop: AcceptLoop;
  routes: ReadonlyMap<string, Owner>;
  /** Settles when nothing is accepted any more; the runtime closes the socket not before. */
  accepting: Promise<void>;
}

/** Sockets that outlive the configuration; `Owner` is whatever connections are served with. */
export class ListenSockets<Owner> {
  readonly #serve: (accepted: Transport, owner: Owner) => void;
  readonly #failed: (listener: string, reason: string) => void;
  /** By the address that the socket is bound to. */
  #sockets = new Map<string, Socket<Owner>>();

  /**
   * `serve` is called with each connection; what it throws takes that connection only. `failed` is told the listener
   * that cannot accept any, and why.
   */
  constructor(
    serve: (accepted: Transport, owner: Owner) => void,
    failed: (listener: string, reason: string) => void = () => {},
  ) {
    this.#serve = serve;
    this.#failed = failed;
  }

  /**
   * Opens what `listeners` need and is not open, all or nothing. The sockets are shared with others that listen with
   * `reusePort`.
   * @throws {ListenError}
   */
  async prepare(listeners: readonly ListenSettings[]): Promise<PreparedListeners<Owner>> {
    const owning = listeners.map((each) => owningListener(each, listeners));
    const opened: Socket<Owner>[] = [];
    const sockets = new Map<ListenSettings, Socket<Owner>>();
    try {
      for (const settings of new Set(owning)) {
        let socket = this.#sockets.get(formatSocketAddress(settings.address));
        if (socket === undefined) {
          const failed = (reason: string) => this.#failed(settings.text, reason);
          const loop = await openListener(settings, { reusePort: true, failed });
          socket = { loop, routes: new Map(), accepting: Promise.resolve() };
          opened.push(socket);
        }
        sockets.set(settings, socket);
      }
    } catch (error) {
      for (const { loop } of opened) loop.close();
      throw error;
    }
    const used = owning.map((each) => sockets.get(each)!);
    return {
      addresses: used.map(({ loop }, at) =>
        listeners[at] === owning[at] ? loop.address : listeners[at]!.address
      ),
      commit: (owners) => this.#commit(listeners, used, owners),
      abort: () => {
        for (const { loop } of opened) loop.close();
      },
    };
  }

  /** Accepts what waits, and closes all. Settles when no connection comes any more. */
  async close(): Promise<void> {
    const closing = this.#sockets.values();
    this.#sockets = new Map();
    await Promise.all(closing.map(drain));
  }

  async #commit(
    listeners: readonly ListenSettings[],
    used: readonly Socket<Owner>[],
    owners: readonly Owner[],
  ): Promise<void> {
    const before = this.#sockets;
    this.#sockets = new Map();
    for (const socket of new Set(used)) {
      socket.routes = new Map(
        listeners.flatMap(({ address }, at) => used[at] === socket ? [[hostOf(address), owners[at]!]] : []),
      );
      const key = formatSocketAddress(socket.loop.address);
      this.#sockets.set(key, socket);
      if (before.get(key) !== socket) socket.accepting = this.#acceptAll(socket);
    }
    await Promise.all(before.values().filter((socket) => !used.includes(socket)).map(drain));
  }

  async #acceptAll(socket: Socket<Owner>): Promise<void> {
    for (;;) {
      const accepted = await socket.loop.accept();
      if (accepted === null) return;
      const owner = ownerOf(socket.routes, accepted);
      if (owner === undefined) accepted.close();
      else this.#serve(accepted, owner);
    }
  }
}

async function drain({ loop, accepting }: Socket<unknown>): Promise<void> {
  await loop.drain();
  await accepting;
}

function ownerOf<Owner>(routes: ReadonlyMap<string, Owner>, accepted: Transport): Owner | undefined {
  if (routes.size === 1) return routes.values().next().value;
  const host = hostOf(accepted.local);
  const ofFamily = host.includes(":") ? undefined : routes.get("0.0.0.0");
  return routes.get(host) ?? ofFamily ?? routes.get("::");
}

function hostOf(address: SocketAddress): string {
  return address.kind === "tcp" ? address.host : "";
}

/** The widest of `all` whose socket gets the connections for `listener`: itself where there is no wildcard. */
function owningListener(listener: ListenSettings, all: readonly ListenSettings[]): ListenSettings {
  const covering = all.filter((other) => covers(other.address, listener.address));
  return covering.find(({ address }) => address.kind === "tcp" && address.host === "::") ?? covering[0] ??
    listener;
}

/** Whether a socket on `wide` also gets the connections for `narrow`. Port 0 is another port each time. */
function covers(wide: SocketAddress, narrow: SocketAddress): boolean {
  if (wide.kind === "unix" || narrow.kind === "unix" || wide.port !== narrow.port || wide.port === 0) {
    return false;
  }
  return wide.host === "::"
    ? narrow.host !== "::"
    : wide.host === "0.0.0.0" && narrow.host !== "0.0.0.0" && !narrow.host.includes(":");
}
