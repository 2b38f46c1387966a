import { dialable } from "./dialable.ts";
import { within } from "./patience.ts";
import { peerPath } from "./peers.ts";

/** A redis-server of its own, which keeps nothing; stopped and started on one port. */
export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  #child: Deno.ChildProcess | null = null;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  /** Starts one on a port that the kernel chose; `args` are more of its arguments. */
  static async start(...args: readonly string[]): Promise<RedisServer> {
    const port = freePort();
    const server = new RedisServer(port, ["--port", `${port}`, ...args]);
    await server.start();
    return server;
  }

  /** The same with TLS on its port. */
  static async startTls(certificate: string, key: string, args: readonly string[]): Promise<RedisServer> {
    const port = freePort();
    const tls = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"];
    const server = new RedisServer(port, ["--port", "0", "--tls-port", `${port}`, ...tls, ...args]);
    await server.start();
    return server;
  }

  /** Starts it again, with nothing in it. */
  async start(): Promise<void> {
    this.#child = new Deno.Command(peerPath("redis-server"), {
      args: [
        "--port",
        String(this.port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        ...this.#args,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await within(dialable(this.port), () => `redis-server does not listen on ${this.port}`);
  }

  /** Ends it by its process id. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    child.kill("SIGKILL");
    await child.status;
  }

  /** Lets it do nothing, or go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** The kernel chooses ports from above for long before it gives one out again. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return (listener.addr as Deno.NetAddr).port;
}
