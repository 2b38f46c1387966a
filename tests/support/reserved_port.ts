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
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const connecting = Deno.connect({ hostname: "127.0.0.1", port });
    return new ReservedPort(port, await Promise.all([connecting, listener.accept()]));
  }

  [Symbol.dispose](): void {
    for (const end of this.#connection) end.close();
  }
}
