import { decodeLatin1, encodeLatin1 } from "../bytes/latin1.ts";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Clock } from "../ports/clock.ts";
import type { SocketAddress } from "../ports/transport.ts";

/** Longest answer that is read, octets. */
const ANSWER_OCTETS = 64 * 1024 * 1024;
/** How long one request may take, milliseconds. */
const ANSWER_MS = 10_000;

/** The admin listener gave no answer that can be used; the message is for the user. */
export class AdminError extends Error {
  override readonly name = "AdminError";
}

/** Asks an admin listener, over TCP or a Unix socket (which `fetch` does not know without more). */
export class AdminClient {
  readonly #address: SocketAddress;
  readonly #token: string | null;
  readonly #clock: Clock;

  constructor(address: SocketAddress, token: string | null, clock: Clock) {
    this.#address = address;
    this.#token = token;
    this.#clock = clock;
  }

  /**
   * `GET path`, which answers JSON.
   * @throws {AdminError} when there is no answer, or another status than 200.
   */
  async get(path: string): Promise<unknown> {
    const { status, body } = await this.ask(path);
    if (status !== 200) throw this.#error(`${path}: ${status} ${body.slice(0, 200).trim()}`);
    try {
      return JSON.parse(new TextDecoder().decode(encodeLatin1(body)));
    } catch {
      throw this.#error(`${path}: the answer is no JSON`);
    }
  }

  /**
   * `GET path`, whatever it answers; the body is a byte string.
   * @throws {AdminError} when there is no answer.
   */
  async ask(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const answer = await this.#exchange(path);
    const head = /^HTTP\/1\.[01] (\d{3}).*?\r\n\r\n/s.exec(answer);
    if (head === null) throw this.#error("what answers there is no HTTP server");
    return { status: Number(head[1]), body: answer.slice(head[0].length) };
  }

  async #exchange(path: string): Promise<string> {
    let late = false;
    let connection: Deno.Conn | null = null;
    const deadline = this.#clock.deadline(() => {
      late = true;
      connection?.close();
    });
    deadline.arm(ANSWER_MS);
    try {
      connection = await this.#connect();
      // HTTP/1.0: the answer ends with the connection, and nothing is in chunks.
      const authorization = this.#token === null ? "" : `Authorization: Bearer ${this.#token}\r\n`;
      const request =
        `GET ${path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n${authorization}\r\n`;
      await writeAll(connection, encodeLatin1(request));
      return await readAll(connection);
    } catch (error) {
      if (error instanceof AdminError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw this.#error(late ? `no answer in ${ANSWER_MS / 1000} s` : reason);
    } finally {
      deadline.disarm();
      if (!late) connection?.close();
    }
  }

  #connect(): Promise<Deno.Conn> {
    const address = this.#address;
    return address.kind === "unix"
      ? Deno.connect({ transport: "unix", path: address.path })
      : Deno.connect({ hostname: address.host, port: address.port });
  }

  #error(text: string): AdminError {
    return new AdminError(`${formatSocketAddress(this.#address)}: ${text}`);
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  const parts: string[] = [];
  let octets = 0;
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return parts.join("");
    octets += count;
    if (octets > ANSWER_OCTETS) throw new AdminError("the answer is too long");
    parts.push(decodeLatin1(buffer, 0, count));
  }
}
