/**
 * What can go wrong in a session, as rows of a table: what fails, what the client hears of it, what the log says.
 *
 * @module
 */
import assert from "node:assert/strict";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";
import type { DialogueClient } from "../../support/dialogue_client.ts";
import type { CertificateFiles, Directives, Edge } from "../../support/edge.ts";
import type { ResettableStream } from "../../support/resettable_peer.ts";
import type { UpstreamDialogue } from "../../support/scripted_upstream.ts";

export const LOST = "421 4.4.2 mail.test Lost the connection to the mail server\r\n";
export const BROKEN = "421 4.3.0 mail.test The mail server sent an invalid reply\r\n";
export const TIMEOUT = "421 4.4.2 mail.test Timeout, closing connection\r\n";
export const HUNDRED_MEGABYTES = 100 * 1024 * 1024;

/** The mail server's side of a fault, from its first octet on. */
export interface MailServer {
  readonly peer: UpstreamDialogue;
  readonly stream: ResettableStream;
  /** Says that the fault is due, for the client's script. */
  due(): void;
  /** Settles when the row is over. */
  readonly over: Promise<void>;
}

export interface Client {
  readonly client: DialogueClient;
  readonly stream: ResettableStream;
  /** Settles when the mail server says so. */
  readonly due: Promise<void>;
  readonly edge: Edge;
  readonly port: number;
}

export type Fields = Readonly<Record<string, unknown>>;

export interface Fault {
  readonly name: string;
  readonly server?: (files: CertificateFiles) => Directives;
  readonly mail?: (server: MailServer) => Promise<unknown>;
  readonly client: (side: Client) => Promise<unknown>;
  /** All that the client hears after its script, before the end of the connection; null where it has left itself. */
  readonly hears: string | null;
  /** Of the session's line: how it ended, and who ended it; null where it has none. */
  readonly ends: readonly [outcome: string, side: "client" | "upstream" | "postern", stage?: string] | null;
  /** Of the message's line; absent where no message was under way. */
  readonly message?: Fields;
  /** The line that tells of the fault, where there is one besides the session's. */
  readonly event?: Fields & { readonly event: string; readonly level: string };
}

export async function enter({ peer }: MailServer, ...capabilities: readonly string[]): Promise<void> {
  await peer.reply("220 mx.test");
  const lines = ["mx.test", ...capabilities];
  await peer.answer(
    "EHLO mail.test",
    ...lines.map((line, i) => `250${i < lines.length - 1 ? "-" : " "}${line}`),
  );
}

/** Up to the content of a message, of which the first half has come. */
export async function takeHalf(server: MailServer): Promise<void> {
  await enter(server);
  await server.peer.answer(/^MAIL /, "250 a");
  await server.peer.answer(/^RCPT /, "250 b");
  await server.peer.answer("DATA", "354 c");
  await server.peer.readUntil("half\r\n");
}

export async function takeAll(server: MailServer): Promise<void> {
  await takeHalf(server);
  await server.peer.readUntil("\r\n.\r\n");
}

/** The client has gone: its message never comes to an end. */
export async function takeNoEnd(server: MailServer): Promise<void> {
  await takeHalf(server);
  server.due();
  const { text } = await server.peer.readToEnd();
  assert.doesNotMatch(text, /\r\n\.\r\n/);
}

/** Sends until nothing more is taken, which must come long before 100 MB. */
export async function flood(stream: ResettableStream, octets: string): Promise<void> {
  const chunk = encodeLatin1(octets.repeat(Math.ceil(65_536 / octets.length)));
  let sent = 0;
  try {
    for (; sent < HUNDRED_MEGABYTES; sent += chunk.length) await stream.write(chunk);
  } catch {
    // The proxy has lost its patience, as it should.
  }
  assert.ok(sent < HUNDRED_MEGABYTES, "the proxy took all of it");
}

export async function signIn({ client }: Client): Promise<void> {
  await client.authPlain("alice", "secret");
}

export async function say(side: Client, command = "NOOP"): Promise<void> {
  await signIn(side);
  await side.client.send(`${command}\r\n`);
}

export async function sendHalf(side: Client): Promise<void> {
  const { client } = side;
  await signIn(side);
  await client.command("MAIL FROM:<a@b.test>", "250 a");
  await client.command("RCPT TO:<c@d.test>", "250 b");
  await client.command("DATA", "354 c");
  await client.send("half\r\n");
}

export async function sendAll(side: Client): Promise<void> {
  await sendHalf(side);
  await side.client.send("other half\r\n.\r\n");
}

/** The client resets its connection as soon as the mail server, or the service, says so. */
export function resets(before: (side: Client) => Promise<unknown>): Fault["client"] {
  return async (side) => {
    await before(side);
    await side.due;
    await side.stream.reset();
  };
}

/** The same without anybody who has to say so. */
export function resetsAtOnce(before: (side: Client) => Promise<unknown>): Fault["client"] {
  return async (side) => {
    await before(side);
    await side.stream.reset();
  };
}

export const ABORTED: Fields = { outcome: "aborted", recipients: 1 };
export const LOST_UPSTREAM = { event: "relay_lost", level: "error", side: "upstream" } as const;
export const LOST_CLIENT = { event: "relay_lost", level: "info", side: "client" } as const;
export const LOST_BEFORE = { event: "client_lost", level: "info" } as const;
export const SHORT: NonNullable<Fault["server"]> = () => ({ proxy_timeout: "300ms" });
export const CHUNKS: NonNullable<Fault["server"]> = () => ({ smtp_capabilities: ["CHUNKING"] });
