import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { encodeLatin1 } from "../../src/bytes/latin1.ts";
import { Dialogue } from "./dialogue.ts";
import { secrets } from "./secrets.ts";
import { connectPlain, ConnStream, type PeerTlsOptions, TlsStream } from "./peer_stream.ts";

/** Where a client connects: a loopback port or a Unix socket. */
export type ClientAddress = { readonly host?: string; readonly port: number } | { readonly path: string };

/** An SMTP client that says exactly what the test says. */
export class DialogueClient extends Dialogue {
  /** Whether what is said next answers a challenge. */
  #challenged = false;

  /** Connects in plain. */
  static async connect(address: ClientAddress): Promise<DialogueClient> {
    return new DialogueClient(await connectPlain(address));
  }

  /** Connects and starts TLS at once (implicit TLS). */
  static async connectTls(address: ClientAddress, options: PeerTlsOptions = {}): Promise<DialogueClient> {
    const client = await DialogueClient.connect(address);
    await client.startTls(options);
    return client;
  }

  /** Reads one whole reply, line ends included. */
  async readReply(): Promise<string> {
    let reply = "";
    do reply += await this.readLine() + "\r\n"; while (/(^|\n)\d{3}-[^\n]*\n$/.test(reply));
    this.#challenged = reply.startsWith("334 ");
    return reply;
  }

  /** Sends exactly these octets, in one write; responses of SASL must never be seen again. */
  override async send(octets: string | Uint8Array): Promise<void> {
    if (typeof octets === "string") {
      const lines = octets.split(/\r?\n/);
      if (this.#challenged) secrets.speakResponse(lines[0]!);
      for (const line of lines) secrets.speakResponse(/^auth +\S+ +(\S+)/i.exec(line)?.[1] ?? "");
    }
    this.#challenged = false;
    await super.send(octets);
  }

  /** Reads one reply and compares it: a string is the whole reply without the last CRLF. */
  async expect(expected: string | RegExp): Promise<string> {
    const reply = (await this.readReply()).slice(0, -2);
    if (typeof expected === "string") assert.equal(reply, expected, this.explain("unexpected reply"));
    else assert.match(reply, expected, this.explain("unexpected reply"));
    return reply;
  }

  /** Sends one command line and compares the reply. */
  async command(line: string, expected: string | RegExp): Promise<string> {
    await this.send(line + "\r\n");
    return await this.expect(expected);
  }

  /** Runs the client side of a TLS handshake. */
  async startTls(options: PeerTlsOptions = {}): Promise<void> {
    const plain = this.stream;
    assert.ok(plain instanceof ConnStream && this.unread === "", this.explain("TLS cannot begin here"));
    this.replaceStream(await TlsStream.connect(plain, options));
  }

  /** `AUTH PLAIN` with the initial response. */
  async authPlain(user: string, secret: string, expected: string | RegExp = /^235 /): Promise<string> {
    return await this.command(`AUTH PLAIN ${btoa(`\0${user}\0${secret}`)}`, expected);
  }

  /** `AUTH LOGIN` with both prompts. */
  async authLogin(user: string, secret: string, expected: string | RegExp = /^235 /): Promise<string> {
    await this.command("AUTH LOGIN", "334 VXNlcm5hbWU6");
    await this.command(btoa(user), "334 UGFzc3dvcmQ6");
    return await this.command(btoa(secret), expected);
  }

  /** `AUTH CRAM-MD5`; answers the challenge (RFC 2195). */
  async authCramMd5(user: string, secret: string, expected: string | RegExp = /^235 /): Promise<string> {
    const prompt = await this.command("AUTH CRAM-MD5", /^334 \S+$/);
    const digest = createHmac("md5", encodeLatin1(secret)).update(encodeLatin1(atob(prompt.slice(4)))).digest(
      "hex",
    );
    return await this.command(btoa(`${user} ${digest}`), expected);
  }

  /**
   * Sends one message; `content` is what stands between DATA and the final dot: it ends with CRLF and its dots
   * are stuffed.
   */
  async sendMessage(content: string | Uint8Array, to = "<bob@example.test>"): Promise<void> {
    await this.beginMessage();
    await this.finishMessage(content, to);
  }

  /** `MAIL` alone: from then on a message is under way. */
  async beginMessage(): Promise<void> {
    await this.command("MAIL FROM:<alice@example.test>", /^250[ -]/);
  }

  /** The rest of {@linkcode sendMessage}. */
  async finishMessage(content: string | Uint8Array, to = "<bob@example.test>"): Promise<void> {
    await this.command(`RCPT TO:${to}`, /^250[ -]/);
    await this.command("DATA", /^354 /);
    await this.send(content);
    await this.command(".", /^250[ -]/);
  }

  /** Sends `QUIT`, expects 221 and the end. */
  async quit(): Promise<void> {
    await this.command("QUIT", /^221 /);
    await this.expectEnd();
  }
}
