import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { BufferPool, CLIENT_OCTETS } from "../../../src/driver/buffer_pool.ts";
import { ClientInput } from "../../../src/driver/client_input.ts";
import { LINE_TOO_LONG } from "../../../src/grammar/line_framer.ts";
import type { Transport } from "../../../src/ports/transport.ts";

const LIMIT = 20;

/** An input, and how it is given what a client says: each text is one read. */
function newInput(buffers = new BufferPool()) {
  const input = new ClientInput(buffers);
  const said: string[] = [];
  const transport = {
    read(into: Uint8Array) {
      into.fill(0x0a);
      const octets = encodeLatin1(said.shift()!);
      into.set(octets);
      return Promise.resolve(octets.length);
    },
  } as unknown as Transport;
  const hear = async (text: string) => {
    said.push(text);
    await input.read(transport, {
      heard(count) {
        input.take(count!);
        return null;
      },
      lost: (error) => assert.fail(error),
    });
  };
  const begin = (text: string) => {
    said.push(text);
    return input.begin(transport);
  };
  return { input, hear, begin };
}

/** Reads, and the lines that come of them with a limit of {@linkcode LIMIT} octets. */
const READS: readonly (readonly [
  name: string,
  reads: readonly string[],
  lines: readonly (string | typeof LINE_TOO_LONG)[],
])[] = [
  ["a line", ["NOOP\r\n"], ["NOOP"]],
  ["a line with a bare LF", ["NOOP\n"], ["NOOP"]],
  ["an empty line", ["\r\n"], [""]],
  ["a bare LF", ["\n"], [""]],
  ["a CR that ends nothing", ["A\rB\r\r\n"], ["A\rB\r"]],
  ["octets of all kinds", ["\0\x7f\x80\xff\r\n"], ["\0\x7f\x80\xff"]],
  ["lines, a read each", ["EHLO a\r\n", "NOOP\r\n", "QUIT\r\n"], ["EHLO a", "NOOP", "QUIT"]],
  ["lines in one read", ["EHLO a\r\nNOOP\r\nQUIT\r\n"], ["EHLO a", "NOOP", "QUIT"]],
  ["a line in two reads", ["NO", "OP\r\n"], ["NOOP"]],
  ["a line end in two reads", ["NOOP\r", "\n"], ["NOOP"]],
  ["a line and a half, and the rest", ["EHLO a\r\nNO", "OP\r\n"], ["EHLO a", "NOOP"]],
  ["octet by octet", [..."NOOP\r\n"], ["NOOP"]],
  ["the longest line", [`${"x".repeat(LIMIT - 2)}\r\n`], ["x".repeat(LIMIT - 2)]],
  ["a line that is too long by one", [`${"x".repeat(LIMIT - 1)}\r\n`], [LINE_TOO_LONG]],
  ["a line that is too long without an end", ["x".repeat(LIMIT)], [LINE_TOO_LONG]],
  ["AUTH that is longer than a command", [`AUTH PLAIN ${"x".repeat(LIMIT)}\r\n`], [
    `AUTH PLAIN ${"x".repeat(LIMIT)}`,
  ]],
];

for (const [name, reads, lines] of READS) {
  Deno.test(`ClientInput gives ${name}`, async () => {
    const { input, hear } = newInput();
    const given: (string | typeof LINE_TOO_LONG)[] = [];
    for (const read of reads) {
      await hear(read);
      for (let line = input.nextCommand(LIMIT); line !== null; line = input.nextCommand(LIMIT)) {
        given.push(line);
        if (line === LINE_TOO_LONG) break;
      }
    }
    assert.deepEqual(given, lines);
    if (lines.at(-1) === LINE_TOO_LONG) assert.equal(input.beginning(), reads.join(""));
    else assert.deepEqual([input.pending, input.nextCommand(LIMIT)], [0, null]);
  });
}

Deno.test("ClientInput holds what waits when its buffer goes to somebody else", async () => {
  for (const waiting of ["MAIL FROM:<a@b.test>\r\n", "DATA\r\nx", "RCPT"]) {
    const buffers = new BufferPool();
    const { input, hear } = newInput(buffers);
    await hear(waiting);
    assert.equal(input.pending, waiting.length);
    input.release();
    buffers.take(CLIENT_OCTETS).fill(0x58);
    assert.equal(input.pending, waiting.length);
    assert.equal(decodeLatin1(input.takeRest()), waiting);
    assert.equal(input.pending, 0);
  }
});

Deno.test("ClientInput gives everything that waits, wherever it does", async () => {
  const { input, hear } = newInput();
  await hear("DATA\r\n");
  assert.equal(decodeLatin1(input.takeRest()), "DATA\r\n");
  assert.deepEqual([input.pending, input.takeRest().length], [0, 0]);
  await hear("DATA\r\nSub");
  assert.equal(input.nextCommand(LIMIT), "DATA");
  assert.equal(decodeLatin1(input.takeRest()), "Sub");
});

Deno.test("ClientInput holds what waits when a read is begun", async () => {
  const { input, hear, begin } = newInput();
  await hear("EHLO a\r\n");
  const begun = begin("NOOP\r\n");
  assert.equal(input.finished((await begun)!), "NOOP\r\n");
  input.take("NOOP\r\n".length);
  assert.deepEqual([input.nextResponse(), input.nextResponse(), input.nextResponse()], [
    "EHLO a",
    "NOOP",
    null,
  ]);
});

Deno.test("ClientInput holds what waits when it is read on", async () => {
  const { input, hear } = newInput();
  await hear("EHLO a\r\n");
  await hear("NOOP\r\n");
  assert.deepEqual([input.nextResponse(), input.nextResponse()], ["EHLO a", "NOOP"]);
});

Deno.test("ClientInput throws away what waits, wherever it does", async () => {
  for (const waiting of ["NOOP\r\n", "NOOP\r\nNOOP\r\n"]) {
    const { input, hear } = newInput();
    await hear(waiting);
    input.nextCommand(waiting === "NOOP\r\n" ? 0 : LIMIT);
    await hear("RSET\r\n");
    input.clear();
    await hear("QUIT\r\n");
    assert.deepEqual([input.nextCommand(LIMIT), input.nextCommand(LIMIT)], ["QUIT", null]);
    await hear("NOOP\r\n");
    input.clear();
    assert.deepEqual([input.pending, input.nextCommand(LIMIT), input.takeRest().length], [0, null, 0]);
  }
});

Deno.test("ClientInput tells what begins as no line of text does, looked at or not", async () => {
  for (const [waiting, binary] of [["\x16\x03\x01", true], ["EHLO", false]] as const) {
    const { input, hear } = newInput();
    assert.equal(input.beginsBinary, false);
    assert.equal(input.beginning(), "");
    await hear(waiting);
    assert.equal(input.beginsBinary, binary);
    assert.equal(input.beginning(), waiting);
    assert.equal(input.nextCommand(LIMIT), null);
    assert.equal(input.beginsBinary, binary);
  }
});
