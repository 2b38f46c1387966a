import type { CertificateAndKey } from "./certificates.ts";
import { within } from "./patience.ts";
import { ConnStream } from "./peer_stream.ts";

/** Where a peer listens: a loopback port of the kernel's choice, or a Unix socket. */
export interface PeerAddress {
  readonly path?: string;
  /** Takes Deno's own TLS at once, which has back-pressure; for loopback ports. */
  readonly tls?: CertificateAndKey;
}

/** A listening socket of a scripted peer. */
export class PeerServer {
  /** The port, or 0 on a Unix socket. */
  readonly port: number;
  readonly #listener: Deno.Listener;
  readonly #open = new Map<ConnStream, Promise<void>>();
  readonly #failures: unknown[] = [];
  readonly #accepting: Promise<void>;
  #active = 0;
  #closing = false;

  /**
   * Serves every connection with `serve`, which need not close it. What `serve` throws is thrown again by
   * `close()`, unless it says that the connection was lost: whether it may be lost is for the test to say.
   */
  constructor(serve: (stream: ConnStream) => Promise<void>, address: PeerAddress = {}) {
    this.#listener = listen(address);
    this.port = this.#listener.addr.transport === "tcp" ? this.#listener.addr.port : 0;
    this.#accepting = this.#accept(serve);
  }

  /** Connections being served now. */
  get active(): number {
    return this.#active;
  }

  /** Whether `close()` was called: errors after it are no failures. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Ends everything and throws the first failure of a script. */
  async close(): Promise<void> {
    this.#closing = true;
    try {
      this.#listener.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before
    }
    for (const stream of this.#open.keys()) await stream.close();
    await within(
      Promise.all([this.#accepting, ...this.#open.values()]),
      () => "a scripted peer does not end after its connections were closed",
    );
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #accept(serve: (stream: ConnStream) => Promise<void>): Promise<void> {
    for await (const conn of this.#listener) {
      if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
      const stream = new ConnStream(conn);
      this.#open.set(stream, this.#run(serve, stream));
    }
  }

  async #run(serve: (stream: ConnStream) => Promise<void>, stream: ConnStream): Promise<void> {
    this.#active++;
    try {
      await serve(stream);
    } catch (error) {
      if (!this.#closing && !isLoss(error)) this.#failures.push(error);
    } finally {
      this.#active--;
      await stream.close();
      this.#open.delete(stream);
    }
  }
}

function listen({ path, tls }: PeerAddress): Deno.Listener {
  if (path !== undefined) return Deno.listen({ transport: "unix", path });
  const address = { hostname: "127.0.0.1", port: 0 };
  if (tls === undefined) return Deno.listen(address);
  return Deno.listenTls({ ...address, cert: tls.certificate, key: tls.key });
}

function isLoss(error: unknown): boolean {
  const { BrokenPipe, ConnectionReset, ConnectionAborted } = Deno.errors;
  return [BrokenPipe, ConnectionReset, ConnectionAborted].some((loss) => error instanceof loss);
}
