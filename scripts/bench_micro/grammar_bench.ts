/**
 * What is done to every line: framing, commands, replies, PROXY headers, encodings.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../../src/bytes/base64.ts";
import { concatBytes, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { decodeXtext, encodeXtext } from "../../src/bytes/xtext.ts";
import { parseCommand } from "../../src/grammar/command.ts";
import { LineFramer } from "../../src/grammar/line_framer.ts";
import { formatProxyV1, formatProxyV2, ProxyHeaderReader } from "../../src/grammar/proxy_header.ts";
import { ReplyReader } from "../../src/grammar/reply.ts";

/** nginx's default for smtp_client_buffer and proxy_buffer. */
const LIMIT_OCTETS = 4096;

const LINES = [
  "EHLO client.example",
  "AUTH PLAIN AGFkYQBjb3JyZWN0LWhvcnNl",
  "MAIL FROM:<ada@example.com> SIZE=1024",
];
const COMMANDS = LINES.map((line) => encodeLatin1(line + "\r\n"));
const BATCH = concatBytes(COMMANDS);
const REPLY = encodeLatin1("250 2.1.0 Ok\r\n");
const EHLO_REPLY = encodeLatin1(
  "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-XCLIENT NAME ADDR PORT\r\n250 8BITMIME\r\n",
);
const CLIENT = { host: "192.0.2.7", port: 40025 };
const LOCAL = { host: "198.51.100.1", port: 587 };
const PROXY_V1 = encodeLatin1(formatProxyV1(CLIENT, LOCAL));
const PROXY_V2 = formatProxyV2({ client: CLIENT, local: LOCAL, tls: null });
const TEXT = "ada+lists@example.com, caf\xe9";
const XTEXT = encodeXtext(TEXT);
const BASE64 = encodeBase64(TEXT);

const framer = new LineFramer();
const replies = new ReplyReader(LIMIT_OCTETS);

Deno.bench("LineFramer and parseCommand, three commands one by one", () => {
  for (const command of COMMANDS) {
    framer.feed(command);
    const line = framer.next(LIMIT_OCTETS);
    if (typeof line !== "string" || parseCommand(line) === null) throw new Error("no command");
  }
});

Deno.bench("LineFramer and parseCommand, three commands in a batch", () => {
  framer.feed(BATCH);
  for (const _ of COMMANDS) {
    const line = framer.next(LIMIT_OCTETS);
    if (typeof line !== "string" || parseCommand(line) === null) throw new Error("no command");
  }
});

Deno.bench("ReplyReader, one line", () => {
  replies.feed(REPLY);
  expectReply();
});

Deno.bench("ReplyReader, five lines", () => {
  replies.feed(EHLO_REPLY);
  expectReply();
});

function expectReply(): void {
  const reply = replies.next();
  if (reply === null || "kind" in reply) throw new Error("no reply");
}

for (const [version, octets] of [["v1", PROXY_V1], ["v2", PROXY_V2]] as const) {
  Deno.bench(`ProxyHeaderReader, ${version}`, () => {
    const reader = new ProxyHeaderReader();
    reader.feed(octets);
    const header = reader.next();
    if (header === null || header.kind === "fault") throw new Error("no header");
  });
}

Deno.bench("formatProxyV1", () => {
  formatProxyV1(CLIENT, LOCAL);
});

Deno.bench("formatProxyV2", () => {
  formatProxyV2({ client: CLIENT, local: LOCAL, tls: null });
});

Deno.bench("encodeXtext and decodeXtext", () => {
  encodeXtext(TEXT);
  if (decodeXtext(XTEXT) === null) throw new Error("no xtext");
});

Deno.bench("encodeBase64 and decodeBase64", () => {
  encodeBase64(TEXT);
  if (decodeBase64(BASE64) === null) throw new Error("no base64");
});
