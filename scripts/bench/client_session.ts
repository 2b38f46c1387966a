/**
 * The client's side of one session, with as little work as it can have: lock-step, no library.
 *
 * @module
 */
import { CHUNK_OCTETS, messageChunk, recipientFor } from "./message.ts";

/** Whom to send to, and how. */
export interface Target {
  readonly port: number;
  /** Certificate of the proxy (PEM) for STARTTLS and AUTH PLAIN, or null for a plain session without a login. */
  readonly certificate: string | null;
  /** Pause before each command, milliseconds; 0 for none. */
  readonly pauseMs: number;
}

/** Most octets of a reply. */
const REPLY_OCTETS = 1024;
const CREDENTIALS = btoa("\0bench\0correct-horse");
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
const END_OF_DATA = encoder.encode(".\r\n");

/** A connection to the proxy. */
export class ClientSession {
  #stream: Deno.TcpConn | Deno.TlsConn;
  readonly #target: Target;
  readonly #reply = new Uint8Array(REPLY_OCTETS);

  private constructor(stream: Deno.TcpConn, target: Target) {
    this.#stream = stream;
    this.#target = target;
  }

  /** Connects and reads the greeting. */
  static async connect(target: Target): Promise<ClientSession> {
    const stream = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
    stream.setNoDelay(true);
    const session = new ClientSession(stream, target);
    await session.#expect("220", "the greeting");
    return session;
  }

  /** EHLO, and where the target wants it STARTTLS and EHLO again. */
  async begin(): Promise<void> {
    await this.#command("EHLO client.test", "250");
    const { certificate } = this.#target;
    if (certificate === null) return;
    await this.#command("STARTTLS", "220");
    this.#stream = await Deno.startTls(this.#stream as Deno.TcpConn, {
      hostname: "localhost",
      caCerts: [certificate],
    });
    await this.#command("EHLO client.test", "250");
  }

  /** Signs in where the target wants it, sends one message and says QUIT. */
  async send(octets: number): Promise<void> {
    if (this.#target.certificate !== null) await this.#command(`AUTH PLAIN ${CREDENTIALS}`, "235");
    await this.#command("MAIL FROM:<bench@client.test>", "250");
    await this.#command(`RCPT TO:<${recipientFor(octets)}>`, "250");
    await this.#command("DATA", "354");
    await this.#sendContent(octets);
    await this.#expect("250", "the message");
    await this.#command("QUIT", "221");
  }

  close(): void {
    this.#stream.close();
  }

  async #sendContent(octets: number): Promise<void> {
    let offset = 0;
    for (; octets - offset > CHUNK_OCTETS; offset += CHUNK_OCTETS) {
      await this.#write(messageChunk(octets, offset));
    }
    const last = messageChunk(octets, offset);
    const end = new Uint8Array(last.length + END_OF_DATA.length);
    end.set(last);
    end.set(END_OF_DATA, last.length);
    await this.#write(end);
  }

  async #command(line: string, code: string): Promise<void> {
    if (this.#target.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#target.pauseMs));
    await this.#write(encoder.encode(line + "\r\n"));
    await this.#expect(code, line);
  }

  async #write(octets: Uint8Array): Promise<void> {
    for (let written = 0; written < octets.length;) {
      written += await this.#stream.write(written === 0 ? octets : octets.subarray(written));
    }
  }

  /** Reads one reply; nothing may follow it, as the dialogue is lock-step. */
  async #expect(code: string, to: string): Promise<void> {
    let length = 0;
    let text = "";
    do {
      const count = await this.#stream.read(this.#reply.subarray(length));
      if (count === null) throw new Error(`The proxy ended the session after ${to}: ${text}`);
      length += count;
      text = decoder.decode(this.#reply.subarray(0, length));
    } while (!isWhole(text));
    if (!text.startsWith(code)) throw new Error(`Expected ${code} to ${to}, received ${text}`);
  }
}

/** Whether the last line of a reply is there: no hyphen behind its code. */
function isWhole(text: string): boolean {
  if (!text.endsWith("\n")) return false;
  const lastLine = text.lastIndexOf("\n", text.length - 2) + 1;
  return text[lastLine + 3] !== "-";
}
