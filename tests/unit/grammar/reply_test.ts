import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { formatReply, type Reply, type ReplyFault, ReplyReader } from "../../../src/grammar/reply.ts";
import { assertFaultsEveryWay, assertReadsEveryWay } from "./segmentation.ts";

const LIMIT = 200;

function reply(text: string, code: number, lines: readonly string[]): Reply {
  return { code, lines, text };
}

function malformed(text: string): ReplyFault {
  return { kind: "fault", code: "malformed", text };
}

Deno.test("ReplyReader reads replies of one and of many lines", () => {
  const table: readonly [input: string, code: number, lines: string[]][] = [
    ["220 mx.example ESMTP\r\n", 220, ["mx.example ESMTP"]],
    ["250 \r\n", 250, [""]],
    ["250\r\n", 250, [""]],
    ["250-\r\n250\r\n", 250, ["", ""]],
    ["250-mx.example\r\n250-SIZE 1\r\n250 AUTH PLAIN\r\n", 250, ["mx.example", "SIZE 1", "AUTH PLAIN"]],
    ["334 \r\n", 334, [""]],
    ["599 5.0.0 \xff\t- \0\r\n", 599, ["5.0.0 \xff\t- \0"]],
    ["250 250-x\r\n", 250, ["250-x"]],
    [`250 ${"x".repeat(LIMIT - 7)}\r\n`, 250, ["x".repeat(LIMIT - 7)]],
  ];
  for (const [input, code, lines] of table) {
    assertReadsEveryWay<Reply | ReplyFault>(
      () => new ReplyReader(LIMIT + 1),
      encodeLatin1(input),
      reply(input, code, lines),
    );
  }
});

Deno.test("ReplyReader refuses malformed lines", () => {
  const table: readonly [input: string, line: string][] = [
    ["\r\n", ""],
    ["\n", ""],
    ["2\r\n", "2"],
    ["25\r\n", "25"],
    ["25\n", "25"],
    ["250 ok\n", "250 ok"],
    ["250\n", "250"],
    ["250_ok\r\n", "250_ok"],
    ["2500 ok\r\n", "2500 ok"],
    ["250\tok\r\n", "250\tok"],
    ["2x0 ok\r\n", "2x0 ok"],
    ["25\xb2 ok\r\n", "25\xb2 ok"],
    ["150 ok\r\n", "150 ok"],
    ["050 ok\r\n", "050 ok"],
    ["600 ok\r\n", "600 ok"],
    [" 250 ok\r\n", " 250 ok"],
    ["250 a\rb\r\n", "250 a\rb"],
    ["250 a\r\r\n", "250 a\r"],
    ["250\r\r\n", "250\r"],
    ["HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request"],
    ["250-a\r\n251 b\r\n", "251 b"],
    ["250-a\r\n250-b\r\n\r\n", ""],
    ["250-a\r\nb\r\n", "b"],
    ["250-a\r\n250 b\n", "250 b"],
  ];
  for (const [input, line] of table) {
    assertFaultsEveryWay<Reply | ReplyFault>(
      () => new ReplyReader(LIMIT),
      encodeLatin1(input),
      malformed(line),
    );
  }
});

Deno.test("ReplyReader bounds the octets of a reply", () => {
  const table = [
    "x".repeat(20),
    "250 0123456789ABCD\r\n",
    "250-0123456789\r\n250 x\r\n",
    "250-0123456789ABC\r\n250 x\r\n",
  ];
  for (const input of table) {
    const fault: ReplyFault = { kind: "fault", code: "too_long", text: input.slice(0, 19) };
    assertFaultsEveryWay<Reply | ReplyFault>(() => new ReplyReader(19), encodeLatin1(input), fault, 19);
  }
});

Deno.test("ReplyReader bounds the lines of a reply", () => {
  const most = encodeLatin1("250-\r\n".repeat(511) + "250 \r\n");
  const reader = new ReplyReader(100_000);
  reader.feed(most);
  const answer = reader.next();
  assert.ok(answer !== null && "lines" in answer);
  assert.equal(answer.lines.length, 512);
  reader.feed(encodeLatin1("250-\r\n".repeat(512)));
  assert.deepEqual(reader.next(), {
    kind: "fault",
    code: "too_long",
    text: "250-\r\n".repeat(34).slice(0, 200),
  });
});

Deno.test("ReplyReader shows no more than 200 octets of a fault", () => {
  const reader = new ReplyReader(4096);
  reader.feed(encodeLatin1("y".repeat(1000) + "\r\n"));
  assert.deepEqual(reader.next(), malformed("y".repeat(200)));
});

Deno.test("ReplyReader gives replies one by one and keeps no part of the one before", () => {
  const reader = new ReplyReader(LIMIT);
  reader.feed(encodeLatin1("250-a\r\n250 b\r\n354 go\r\n5"));
  assert.deepEqual(reader.next(), reply("250-a\r\n250 b\r\n", 250, ["a", "b"]));
  assert.equal(reader.pending, 9);
  assert.deepEqual(reader.next(), reply("354 go\r\n", 354, ["go"]));
  assert.equal(reader.next(), null);
  assert.equal(reader.pending, 1);
  reader.clear();
  assert.equal(reader.pending, 0);
  reader.feed(encodeLatin1("bad\r\n"));
  assert.deepEqual(reader.next(), malformed("bad"));
  assert.equal(decodeLatin1(reader.takeRest()), "bad\r\n");
  reader.feed(encodeLatin1("220 x\r\n"));
  assert.deepEqual(reader.next(), reply("220 x\r\n", 220, ["x"]));
});

Deno.test("formatReply() writes the code, the enhanced code and the text", () => {
  const table: readonly [code: number, enhanced: string | null, text: string, written: string][] = [
    [250, "2.0.0", "OK", "250 2.0.0 OK\r\n"],
    [220, null, "mx.example ESMTP ready", "220 mx.example ESMTP ready\r\n"],
    [334, null, "", "334 \r\n"],
    [250, null, "mx\nPIPELINING\nSTARTTLS", "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"],
    [550, "5.1.1", "No\nsuch user", "550-5.1.1 No\r\n550 5.1.1 such user\r\n"],
    [535, "5.7.0", "a\r\n235 2.7.0 OK\r", "535-5.7.0 a\r\n535 5.7.0 235 2.7.0 OK\r\n"],
    [535, null, "\xff\u010a", "535 \xff?\r\n"],
  ];
  for (const [code, enhanced, text, written] of table) {
    assert.equal(decodeLatin1(formatReply(code, enhanced, text)), written);
  }
});
