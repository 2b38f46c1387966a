import assert from "node:assert/strict";
import { Dialogue } from "./dialogue.ts";
import { type PeerAddress, PeerServer } from "./peer_server.ts";
import { ConnStream, type PeerStream, type PeerTlsOptions, TlsStream } from "./peer_stream.ts";

/** One connection of the proxy to a {@linkcode ScriptedUpstream}. */
export class UpstreamDialogue extends Dialogue {
  /** Reads one line and compares it. */
  async expect(expected: string | RegExp): Promise<string> {
    const line = await this.readLine();
    if (typeof expected === "string") assert.equal(line, expected, this.explain("unexpected command"));
    else assert.match(line, expected, this.explain("unexpected command"));
    return line;
  }

  /** Reads one line, compares it, and sends a reply; CRLF is added to each line of it. */
  async answer(expected: string | RegExp, ...replyLines: readonly string[]): Promise<string> {
    const line = await this.expect(expected);
    await this.reply(...replyLines);
    return line;
  }

  /** Sends lines with CRLF, in one write. */
  async reply(...lines: readonly string[]): Promise<void> {
    await this.send(lines.map((line) => line + "\r\n").join(""));
  }

  /** Reads a PROXY protocol header of either version and answers its octets. */
  async readProxyHeader(): Promise<string> {
    const start = await this.readOctets(12);
    if (start !== "\r\n\r\n\0\r\nQUIT\n") return start + await this.readUntil("\n");
    const fixed = await this.readOctets(4);
    return start + fixed + await this.readOctets(fixed.charCodeAt(2) * 256 + fixed.charCodeAt(3));
  }

  /** Runs the server side of a TLS handshake. */
  async acceptTls(options: PeerTlsOptions): Promise<TlsStream> {
    const plain: PeerStream = this.stream;
    assert.ok(plain instanceof ConnStream, this.explain("TLS cannot begin here"));
    const stream = await TlsStream.accept(plain, options);
    this.replaceStream(stream);
    return stream;
  }
}

/**
 * A mail server that follows a script, once for each connection. A script that throws ends its connection, and
 * `close()` throws the error again.
 */
export class ScriptedUpstream extends PeerServer {
  /** Conversations in the order in which the connections came. */
  readonly dialogues: readonly UpstreamDialogue[];

  constructor(
    script: (peer: UpstreamDialogue, index: number) => Promise<void>,
    address: PeerAddress = {},
  ) {
    const dialogues: UpstreamDialogue[] = [];
    super(async (stream) => {
      const dialogue = new UpstreamDialogue(stream);
      const index = dialogues.push(dialogue) - 1;
      try {
        await script(dialogue, index);
      } finally {
        await dialogue.close();
      }
    }, address);
    this.dialogues = dialogues;
  }
}
