/**
 * A mail server that accepts everything, fast, and remembers what it accepted: for comparing digests of large
 * messages and of many sessions.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { concatBytes, decodeLatin1, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { UpstreamDialogue } from "./scripted_upstream.ts";
import { PeerServer } from "./peer_server.ts";
import { type ConnStream, type PeerStream, type PeerTlsOptions, TlsStream } from "./peer_stream.ts";

/** How a {@linkcode SmtpSink} behaves. */
export interface SinkOptions {
  /** EHLO keywords besides STARTTLS. */
  readonly capabilities?: readonly string[];
  /** Offers STARTTLS with this certificate, or wants TLS at once. */
  readonly tls?: PeerTlsOptions & { readonly implicit?: boolean };
  /** Whether a PROXY protocol header comes first. */
  readonly proxyHeader?: boolean;
  /** Replies instead of the usual ones, by verb; without CRLF. */
  readonly replies?: Readonly<Record<string, string>>;
}

/** One message that was accepted. */
export interface SunkMessage {
  /** SHA-256 in hexadecimal of the octets between `DATA` and the final `.` line, as they came (dots stuffed). */
  readonly digest: string;
  readonly octets: number;
  readonly mail: string;
  readonly recipients: readonly string[];
}

/** What one connection brought. */
export interface SunkSession {
  /** Command lines in order, SASL responses included. */
  readonly commands: string[];
  readonly messages: SunkMessage[];
  proxyHeader: string | null;
  tls: boolean;
}

/** SHA-256 of `octets`, as a {@linkcode SunkMessage} has it. */
export function digestOf(octets: Uint8Array): string {
  return createHash("sha256").update(octets).digest("hex");
}

/** The server; listens on a loopback port. */
export class SmtpSink extends PeerServer {
  readonly sessions: readonly SunkSession[];
  /** Most connections that were open at one time. */
  readonly peak: () => number;

  constructor(options: SinkOptions = {}) {
    const sessions: SunkSession[] = [];
    let peak = 0;
    super(async (plain) => {
      const session: SunkSession = { commands: [], messages: [], proxyHeader: null, tls: false };
      sessions.push(session);
      peak = Math.max(peak, this.active);
      await new SinkConnection(plain, session, options).run();
    });
    this.sessions = sessions;
    this.peak = () => peak;
  }

  /** Messages of all sessions. */
  get messages(): readonly SunkMessage[] {
    return this.sessions.flatMap((session) => session.messages);
  }
}

const DATA_END = encodeLatin1("\r\n.\r\n");

class SinkConnection {
  readonly #plain: ConnStream;
  readonly #session: SunkSession;
  readonly #options: SinkOptions;
  #stream: PeerStream;
  #pending: Uint8Array = new Uint8Array(0);
  #mail = "";
  #recipients: string[] = [];

  constructor(plain: ConnStream, session: SunkSession, options: SinkOptions) {
    this.#plain = plain;
    this.#stream = plain;
    this.#session = session;
    this.#options = options;
  }

  async run(): Promise<void> {
    try {
      if (this.#options.proxyHeader) await this.#readProxyHeader();
      if (this.#options.tls?.implicit) await this.#acceptTls();
      await this.#reply("220 sink ESMTP");
      for (let line = await this.#line(); line !== null; line = await this.#line()) {
        this.#session.commands.push(line);
        if (!(await this.#obey(line, line.split(" ", 1)[0]!.toUpperCase()))) return;
      }
    } finally {
      await this.#stream.close();
    }
  }

  /** Answers one command; false when the session is over. */
  async #obey(line: string, verb: string): Promise<boolean> {
    const scripted = this.#options.replies?.[verb];
    if (scripted !== undefined) return await this.#reply(scripted), true;
    switch (verb) {
      case "EHLO":
        return await this.#reply(this.#ehlo()), true;
      case "STARTTLS":
        await this.#reply("220 2.0.0 Go ahead");
        return await this.#acceptTls(), true;
      case "XCLIENT":
        return await this.#reply("220 sink ESMTP"), true;
      case "AUTH":
        return await this.#authenticate(line), true;
      case "MAIL":
        this.#mail = line;
        this.#recipients = [];
        return await this.#reply("250 2.1.0 Ok"), true;
      case "RCPT":
        this.#recipients.push(line);
        return await this.#reply("250 2.1.5 Ok"), true;
      case "DATA":
        await this.#reply("354 Go ahead");
        return await this.#data();
      case "QUIT":
        return await this.#reply("221 2.0.0 Bye"), false;
      default:
        return await this.#reply("250 2.0.0 Ok"), true;
    }
  }

  #ehlo(): string {
    const keywords = [...this.#options.capabilities ?? []];
    if (this.#options.tls !== undefined && !this.#session.tls) keywords.push("STARTTLS");
    return ["sink", ...keywords].map((text, i) => `250${i < keywords.length ? "-" : " "}${text}`).join(
      "\r\n",
    );
  }

  async #authenticate(line: string): Promise<void> {
    const prompts = line.toUpperCase() === "AUTH LOGIN" ? ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"] : [];
    if (line.split(" ").length === 2 && prompts.length === 0) prompts.push("");
    for (const prompt of prompts) {
      await this.#reply(`334 ${prompt}`);
      this.#session.commands.push(await this.#line() ?? "");
    }
    await this.#reply("235 2.7.0 Authentication successful");
  }

  /** Takes the message up to its final dot, without holding more than one read of it. */
  async #data(): Promise<boolean> {
    const hash = createHash("sha256");
    let octets = 0;
    // The CRLF of the DATA line counts as the one before a final dot (RFC 5321 §4.1.1.4), but is not content.
    let window: Uint8Array = concatBytes([encodeLatin1("\r\n"), this.#pending]);
    let notContent = 2;
    for (let end = -1; end < 0;) {
      end = Buffer.from(window.buffer, window.byteOffset, window.length).indexOf(DATA_END);
      const sure = end >= 0 ? end + 2 : Math.max(0, window.length - (DATA_END.length - 1));
      if (sure > notContent) {
        hash.update(window.subarray(notContent, sure));
        octets += sure - notContent;
      }
      notContent = Math.max(0, notContent - sure);
      if (end >= 0) {
        this.#pending = window.slice(end + DATA_END.length);
      } else {
        const more = await this.#stream.read();
        if (more === null) return false;
        window = concatBytes([window.subarray(sure), more]);
      }
    }
    this.#session.messages.push({
      digest: hash.digest("hex"),
      octets,
      mail: this.#mail,
      recipients: this.#recipients,
    });
    await this.#reply("250 2.0.0 Ok: sunk");
    return true;
  }

  async #readProxyHeader(): Promise<void> {
    const dialogue = new UpstreamDialogue(this.#plain);
    this.#session.proxyHeader = await dialogue.readProxyHeader();
    this.#plain.unread(encodeLatin1(dialogue.unread));
  }

  async #acceptTls(): Promise<void> {
    if (this.#pending.length > 0) throw new Error("Octets came behind STARTTLS");
    this.#stream = await TlsStream.accept(this.#plain, this.#options.tls!);
    this.#session.tls = true;
  }

  async #line(): Promise<string | null> {
    for (let from = 0;;) {
      const end = this.#pending.indexOf(10, from);
      if (end >= 0) {
        const line = decodeLatin1(this.#pending, 0, end).replace(/\r$/, "");
        this.#pending = this.#pending.subarray(end + 1);
        return line;
      }
      from = this.#pending.length;
      const more = await this.#stream.read();
      if (more === null) return null;
      this.#pending = from === 0 ? more : concatBytes([this.#pending, more]);
    }
  }

  async #reply(text: string): Promise<void> {
    await this.#stream.write(encodeLatin1(text + "\r\n"));
  }
}
