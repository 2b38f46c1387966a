import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { LINE_TOO_LONG, LineFramer, type LineTooLong } from "../../../src/grammar/line_framer.ts";
import { assertFaultsEveryWay, assertReadsEveryWay, type Reader } from "./segmentation.ts";

function framer(limit: number): Reader<string | LineTooLong> {
  const lines = new LineFramer();
  return {
    feed: (bytes) => lines.feed(bytes),
    next: () => lines.next(limit),
    takeRest: () => lines.takeRest(),
  };
}

Deno.test("LineFramer takes a line off its CRLF or LF and keeps everything else of it", () => {
  const table: readonly [input: string, line: string][] = [
    ["NOOP\r\n", "NOOP"],
    ["NOOP\n", "NOOP"],
    ["\r\n", ""],
    ["\n", ""],
    ["a\rb\r\n", "a\rb"],
    ["a\r\r\n", "a\r"],
    ["\r\r\n", "\r"],
    ["\0\x01\x7f\x80\xff\t \r\n", "\0\x01\x7f\x80\xff\t "],
    ["x".repeat(98) + "\r\n", "x".repeat(98)],
    ["x".repeat(99) + "\n", "x".repeat(99)],
  ];
  for (const [input, line] of table) assertReadsEveryWay(() => framer(100), encodeLatin1(input), line);
});

Deno.test("LineFramer says that a line is too long as soon as the limit is reached", () => {
  for (
    const input of ["0123456789", "0123456789\n", "012345678\r\n", "012345678\r\r\n", "0123456789ABC\r\n"]
  ) {
    assertFaultsEveryWay(() => framer(10), encodeLatin1(input), LINE_TOO_LONG, 10);
  }
});

Deno.test("LineFramer obeys a limit that changes from line to line", () => {
  const lines = new LineFramer();
  lines.feed(encodeLatin1("0123456789\r\nabcdef"));
  assert.equal(lines.next(4), LINE_TOO_LONG);
  assert.equal(lines.next(11), LINE_TOO_LONG);
  assert.equal(lines.next(12), "0123456789");
  assert.equal(lines.next(6), LINE_TOO_LONG);
  assert.equal(lines.next(7), null);
  assert.equal(lines.pending, 6);
});

Deno.test("LineFramer gives pipelined lines one by one, whatever they sum up to", () => {
  const lines = new LineFramer();
  const batch = Array.from({ length: 1000 }, (_, i) => `NOOP ${i}`);
  lines.feed(encodeLatin1(batch.join("\r\n") + "\r\nQUI"));
  for (const line of batch) assert.equal(lines.next(16), line);
  assert.equal(lines.next(16), null);
  lines.feed(encodeLatin1("T\n"));
  assert.equal(lines.next(16), "QUIT");
  assert.equal(lines.pending, 0);
});

Deno.test("LineFramer.takeRest() leaves nothing behind", () => {
  const lines = new LineFramer();
  lines.feed(encodeLatin1("RCPT x\r\nDATA\r\nsecr"));
  assert.equal(lines.next(100), "RCPT x");
  assert.equal(decodeLatin1(lines.takeRest()), "DATA\r\nsecr");
  assert.equal(lines.pending, 0);
  assert.equal(lines.takeRest().length, 0);
  lines.feed(encodeLatin1("MAIL injected"));
  assert.equal(lines.next(100), null);
  assert.equal(decodeLatin1(lines.takeRest()), "MAIL injected");
  assert.equal(lines.pending, 0);
  lines.feed(encodeLatin1("EHLO b\r\n"));
  assert.equal(lines.next(100), "EHLO b");
});

Deno.test("LineFramer does not look at an octet again when more arrive", () => {
  // 4 million octets one by one: looked at again each time, they would take hours.
  const octets = 4_000_000;
  const lines = new LineFramer();
  const one = encodeLatin1("x");
  for (let i = 0; i < octets; i++) {
    lines.feed(one);
    assert.ok(lines.next(octets + 1) === null);
  }
  lines.feed(encodeLatin1("\n"));
  assert.equal((lines.next(octets + 1) as string).length, octets);
});

Deno.test("LineFramer.startsWith() compares the beginning in any case and takes nothing", () => {
  const lines = new LineFramer();
  lines.feed(encodeLatin1("NOOP\r\nau"));
  assert.ok(!lines.startsWith("AUTH "));
  assert.equal(lines.next(100), "NOOP");
  assert.ok(!lines.startsWith("AUTH "));
  lines.feed(encodeLatin1("tH PLAIN"));
  assert.ok(lines.startsWith("AUTH "));
  assert.ok(!lines.startsWith("AUTH L"));
  assert.equal(lines.pending, 10);
});

Deno.test("LineFramer shows the beginning of what is pending and takes nothing", () => {
  const lines = new LineFramer();
  lines.feed(encodeLatin1("NOOP a\r\nNO"));
  assert.deepEqual([lines.peek(4), lines.peek(100), lines.pending], ["NOOP", "NOOP a\r\nNO", 10]);
  assert.equal(lines.next(100), "NOOP a");
  assert.equal(lines.peek(100), "NO");
});
