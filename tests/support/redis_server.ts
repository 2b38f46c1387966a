import { dialable } from "./dialable.ts";
import { within } from "./patience.ts";
import { peerPath } from "./peers.ts";
import { ReservedPort } from "./reserved_port.ts";

/** A redis-server of its own, which keeps nothing; stopped and started on one port. */
export class RedisServer {
  readonly port: number;
  readonly #reserved: ReservedPort;
  readonly #args: readonly string[];
  #child: Deno.ChildProcess | null = null;

  private constructor(reserved: ReservedPort, args: readonly string[]) {
    this.port = reserved.port;
    this.#reserved = reserved;
    this.#args = args;
  }

  /** Starts one on a port that the kernel chose; `args` are more of its arguments. */
  static async start(...args: readonly string[]): Promise<RedisServer> {
    const reserved = await ReservedPort.take();
    const server = new RedisServer(reserved, ["--port", `${reserved.port}`, ...args]);
    await server.start();
    return server;
  }

  /** The same with TLS on its port. */
  static async startTls(certificate: string, key: string, args: readonly string[]): Promise<RedisServer> {
    const reserved = await ReservedPort.take();
    const tls = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"];
    const server = new RedisServer(reserved, [
      "--port",
      "0",
      "--tls-port",
      `${reserved.port}`,
      ...tls,
      ...args,
    ]);
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
    this.#reserved[Symbol.dispose]();
  }
}
