import { refused } from "./refused.ts";

/**
 * A loopback port that the kernel gives to nobody else while it is reserved: programs that take no port 0 can be told
 * it, and before they listen there, or when nobody does, connections to it are refused. A port that was merely free a
 * moment ago is soon somebody's, as tests run side by side.
 *
 * An accepted connection keeps the port: the kernel chooses none that has such a socket, but as the socket may be
 * reused (`SO_REUSEADDR`) and does not listen, whoever names the port gets it.
 */
export class ReservedPort implements Disposable {
  readonly port: number;
  readonly #connection: readonly Deno.Conn[];

  private constructor(port: number, connection: readonly Deno.Conn[]) {
    this.port = port;
    this.#connection = connection;
  }

  static async take(): Promise<ReservedPort> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const connecting = Deno.connect({ hostname: "127.0.0.1", port });
    const reserved = new ReservedPort(port, await Promise.all([connecting, listener.accept()]));
    listener.close();
    await reserved.refused();
    return reserved;
  }

  /** Settles when nothing listens on it at `hostname`, a loopback address. */
  refused(hostname = "127.0.0.1"): Promise<void> {
    return refused({ hostname, port: this.port });
  }

  [Symbol.dispose](): void {
    for (const end of this.#connection) end.close();
  }
}
