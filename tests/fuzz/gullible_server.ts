/**
 * Mail servers that take more for the end of a message than they should, as those of CVE-2023-51764, -51765 and -51766
 * did. What one of them takes must be what a strict one would have taken from the client.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { FALSE_ENDS } from "../support/false_ends.ts";
import { PeerServer } from "../support/peer_server.ts";
import { agrees } from "./reference_server.ts";

/** Everything that some server was seen to take for the end of a message; the first is right. */
export const ENDS: readonly string[] = ["\r\n.\r\n", ...FALSE_ENDS];

/** What a server took. */
export interface TakenMessage {
  readonly from: string;
  readonly to: readonly string[];
  /** As it came, without what was taken for the end. */
  readonly content: string;
  readonly chunked: boolean;
  /** What it was called in the reply. */
  readonly queueId: string;
}

/** One session of a {@linkcode GullibleServer}. */
export interface GullibleSession {
  readonly messages: TakenMessage[];
  /** All that came. */
  received: string;
}

/** A server that takes each of `ends` for the end of a message. */
export class GullibleServer extends PeerServer {
  /** In the order in which the connections came. */
  readonly sessions: readonly GullibleSession[];

  constructor(ends: readonly string[], { splitAtLf = false } = {}) {
    const sessions: GullibleSession[] = [];
    super(async (stream) => {
      const session: GullibleSession = { messages: [], received: "" };
      sessions.push(session);
      const reader = new Reader(ends, splitAtLf ? /\r?\n/ : /\r\n/, session);
      await stream.write(bytes("220 mx.test ESMTP\r\n"));
      for (let octets = await stream.read(); octets !== null; octets = await stream.read()) {
        const text = Buffer.from(octets).toString("latin1");
        session.received += text;
        const replies = reader.feed(text);
        if (replies !== "") await stream.write(bytes(replies));
        if (reader.quit) return;
      }
    });
    this.sessions = sessions;
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

class Reader {
  readonly #ends: readonly string[];
  readonly #newline: RegExp;
  readonly #session: GullibleSession;
  #rest = "";
  #state: "commands" | "data" | "chunk" = "commands";
  #from: string | null = null;
  #to: string[] = [];
  #content = "";
  #chunked = false;
  #wanted = 0;
  #last = false;
  quit = false;

  constructor(ends: readonly string[], newline: RegExp, session: GullibleSession) {
    this.#ends = ends;
    this.#newline = newline;
    this.#session = session;
  }

  feed(text: string): string {
    this.#rest += text;
    let replies = "";
    for (let reply = this.#next(); reply !== null; reply = this.#next()) replies += reply;
    return replies;
  }

  /** One step; null when more is needed. */
  #next(): string | null {
    if (this.quit) return null;
    if (this.#state === "data") return this.#data();
    if (this.#state === "chunk") return this.#chunk();
    const newline = this.#newline.exec(this.#rest);
    if (newline === null) return null;
    const line = this.#rest.slice(0, newline.index);
    this.#rest = this.#rest.slice(newline.index + newline[0].length);
    return this.#command(line);
  }

  #command(line: string): string {
    const verb = line.slice(0, 4).toUpperCase();
    if (/^EHLO /i.test(line)) {
      this.#reset();
      return "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n";
    }
    if (/^HELO /i.test(line) || /^RSET *$/i.test(line)) {
      this.#reset();
      return "250 2.0.0 OK\r\n";
    }
    if (/^QUIT *$/i.test(line)) {
      this.quit = true;
      return "221 2.0.0 Bye\r\n";
    }
    if (/^MAIL FROM:/i.test(line)) return this.#mail(line);
    if (/^RCPT TO:/i.test(line)) return this.#recipient(line);
    if (/^DATA *$/i.test(line)) {
      if (this.#to.length === 0 || this.#chunked) return "503 5.5.1 Bad sequence\r\n";
      this.#state = "data";
      // The end of the line of DATA is the beginning of what ends an empty message.
      this.#rest = "\r\n" + this.#rest;
      return "354 Go on\r\n";
    }
    if (verb === "BDAT") return this.#announced(line);
    return verb === "NOOP" || verb === "VRFY" ? "250 2.0.0 OK\r\n" : "500 5.5.1 What?\r\n";
  }

  #mail(line: string): string {
    if (this.#from !== null) return "503 5.5.1 Bad sequence\r\n";
    if (!agrees(line)) return "550 5.1.8 Refused\r\n";
    this.#from = /<[^>]*>/.exec(line)?.[0] ?? line;
    return "250 2.1.0 OK\r\n";
  }

  #recipient(line: string): string {
    if (this.#from === null || this.#chunked) return "503 5.5.1 Bad sequence\r\n";
    if (!agrees(line)) return "550 5.1.1 Refused\r\n";
    this.#to.push(/<[^>]*>/.exec(line)?.[0] ?? line);
    return "250 2.1.5 OK\r\n";
  }

  #announced(line: string): string {
    const [, size, final] = /^BDAT (\d{1,10})( LAST)? *$/i.exec(line) ?? [];
    if (size === undefined) return "501 5.5.4 Bad argument\r\n";
    this.#state = "chunk";
    this.#wanted = Number(size);
    this.#last = final !== undefined;
    return "";
  }

  #chunk(): string | null {
    if (this.#rest.length < this.#wanted) return null;
    const chunk = this.#rest.slice(0, this.#wanted);
    this.#rest = this.#rest.slice(this.#wanted);
    this.#state = "commands";
    if (this.#to.length === 0) return "503 5.5.1 Bad sequence\r\n";
    this.#chunked = true;
    this.#content += chunk;
    return this.#last ? this.#take() : "250 2.0.0 Go on\r\n";
  }

  #data(): string | null {
    let first = Infinity;
    let found = "";
    for (const end of this.#ends) {
      const at = this.#rest.indexOf(end);
      // Of two at one place the longer one, which is how these servers read.
      if (at >= 0 && (at < first || at === first && end.length > found.length)) {
        first = at;
        found = end;
      }
    }
    if (found === "") return null;
    // Lines before the dot keep their end; the one that was put in front of all of them does not count.
    const kept = found.slice(0, found.indexOf(".")).replace("\0", "");
    this.#content = (this.#rest.slice(0, first) + kept).slice(2);
    this.#rest = this.#rest.slice(first + found.length);
    this.#state = "commands";
    return this.#take();
  }

  #take(): string {
    const messages = this.#session.messages;
    const digest = createHash("sha256").update(`${messages.length} ${this.#content}`, "latin1").digest("hex");
    const queueId = digest.slice(0, 12).toUpperCase();
    messages.push({
      from: this.#from!,
      to: this.#to,
      content: this.#content,
      chunked: this.#chunked,
      queueId,
    });
    this.#reset();
    return `250 2.0.0 OK: queued as ${queueId}\r\n`;
  }

  #reset(): void {
    this.#from = null;
    this.#to = [];
    this.#content = "";
    this.#chunked = false;
  }
}
