import { encodeLatin1 } from "../bytes/latin1.ts";
import { type Reply, ReplyReader } from "../grammar/reply.ts";
import type { Clock, Deadline } from "../ports/clock.ts";
import { ConnectionError, type Dialer, type SocketAddress, type Transport } from "../ports/transport.ts";
import type { UpstreamTlsOptions } from "../ports/transport.ts";

/** Longest reply that is read, octets. */
const REPLY_OCTETS = 64 * 1024;

/** What a client hears and says, for a transcript; `secret` lines are not to be shown. */
export interface Transcript {
  sent(line: string, secret: boolean): void;
  received(line: string): void;
}

/** The client's side of a dialogue, each step within a time limit. */
export class SmtpClient {
  readonly #ports: { readonly clock: Clock; readonly dialer: Dialer };
  readonly #transcript: Transcript;
  readonly #stepMs: number;
  readonly #deadline: Deadline;
  readonly #buffer = new Uint8Array(16 * 1024);
  #reader = new ReplyReader(REPLY_OCTETS);
  #transport: Transport;
  #late = false;

  private constructor(
    transport: Transport,
    ports: { readonly clock: Clock; readonly dialer: Dialer },
    transcript: Transcript,
    stepMs: number,
  ) {
    this.#transport = transport;
    this.#ports = ports;
    this.#transcript = transcript;
    this.#stepMs = stepMs;
    this.#deadline = ports.clock.deadline(() => {
      this.#late = true;
      this.#transport.close();
    });
  }

  /**
   * Connects.
   * @throws {ConnectionError} when that fails or takes longer than `stepMs`.
   */
  static async connect(
    target: SocketAddress,
    ports: { readonly clock: Clock; readonly dialer: Dialer },
    transcript: Transcript,
    stepMs: number,
  ): Promise<SmtpClient> {
    const late = new AbortController();
    const deadline = ports.clock.deadline(() => late.abort());
    deadline.arm(stepMs);
    try {
      const transport = await ports.dialer.connect(target, late.signal);
      return new SmtpClient(transport, ports, transcript, stepMs);
    } catch (error) {
      if (!late.signal.aborted) throw error;
      throw new ConnectionError("timeout", `Cannot connect within ${stepMs / 1000} s`);
    } finally {
      deadline.disarm();
    }
  }

  /** The connection as it is now. */
  get transport(): Transport {
    return this.#transport;
  }

  /** Sends a line and reads the reply. */
  async command(line: string, { secret = false } = {}): Promise<Reply> {
    this.#transcript.sent(line, secret);
    await this.#timed(() => this.#transport.write(encodeLatin1(line + "\r\n")));
    return await this.reply();
  }

  /** Reads a reply. */
  async reply(): Promise<Reply> {
    const reply = await this.#timed(() => this.#readReply());
    for (const line of reply.text.split("\r\n").slice(0, -1)) this.#transcript.received(line);
    return reply;
  }

  /** Begins TLS; octets that came in clear behind the last reply are an error. */
  async startTls(options: UpstreamTlsOptions): Promise<void> {
    if (this.#reader.pending > 0) {
      throw new ConnectionError("tls", "the server sent more in clear before TLS");
    }
    this.#reader = new ReplyReader(REPLY_OCTETS);
    this.#transport = await this.#timed(() => this.#ports.dialer.startTls(this.#transport, options));
  }

  /** Ends the connection. Idempotent. */
  close(): void {
    this.#deadline.disarm();
    this.#transport.close();
  }

  async #readReply(): Promise<Reply> {
    for (;;) {
      const reply = this.#reader.next();
      if (reply === null) {
        const count = await this.#transport.read(this.#buffer);
        if (count === null) throw new ConnectionError("reset", "the server closed the connection");
        this.#reader.feed(this.#buffer.subarray(0, count));
        continue;
      }
      if (!("kind" in reply)) return reply;
      this.#transcript.received(reply.text);
      throw new ConnectionError("other", "what the server sent is no SMTP reply");
    }
  }

  async #timed<T>(step: () => Promise<T>): Promise<T> {
    this.#deadline.arm(this.#stepMs);
    try {
      return await step();
    } catch (error) {
      if (!this.#late) throw error;
      throw new ConnectionError("timeout", `the server did nothing for ${this.#stepMs / 1000} s`);
    } finally {
      this.#deadline.disarm();
    }
  }
}
