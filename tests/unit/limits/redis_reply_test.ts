import assert from "node:assert/strict";
import fc from "fast-check";
import { formatCommand } from "../../../src/limits/redis_command.ts";
import {
  MAX_REPLY_OCTETS,
  RedisError,
  type RedisReply,
  ReplyReader,
} from "../../../src/limits/redis_reply.ts";

const encoder = new TextEncoder();

/** All replies in `octets`, which come in pieces of these sizes, and the fault that ends them. */
function read(octets: Uint8Array, sizes: readonly number[]): { replies: RedisReply[]; fault: string | null } {
  const reader = new ReplyReader();
  const replies: RedisReply[] = [];
  let at = 0;
  for (let turn = 0; at < octets.length && reader.fault === null; turn++) {
    const room = reader.room();
    assert.ok(room.length > 0 && room.length <= MAX_REPLY_OCTETS);
    const piece = octets.subarray(at, at + Math.min(room.length, sizes[turn % sizes.length]!));
    room.set(piece);
    reader.filled(piece.length);
    at += piece.length;
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
  }
  return { replies, fault: reader.fault };
}

const GOOD: readonly (readonly [text: string, reply: RedisReply])[] = [
  ["+OK\r\n", "OK"],
  ["+\r\n", ""],
  ["-ERR no\r\n", new RedisError("ERR no")],
  [":0\r\n", 0],
  [":-12\r\n", -12],
  [":999999999999999\r\n", 999_999_999_999_999],
  ["$0\r\n\r\n", ""],
  ["$-1\r\n", null],
  ["$6\r\na\r\nb\r\n\r\n", "a\r\nb\r\n"],
  ["$2\r\n\u00e9\r\n", "\u00e9"],
  ["*0\r\n", []],
  ["*-1\r\n", null],
  ["*3\r\n$2\r\nok\r\n:0\r\n$-1\r\n", ["ok", 0, null]],
  [`$16000\r\n${"x".repeat(16_000)}\r\n`, "x".repeat(16_000)],
];

Deno.test("replies are read one after the other, however they are cut on their way", () => {
  const octets = encoder.encode(GOOD.map(([text]) => text).join(""));
  const expected = { replies: GOOD.map(([, reply]) => reply), fault: null };
  for (const size of [1, 2, 3, 7, 4096, MAX_REPLY_OCTETS]) assert.deepEqual(read(octets, [size]), expected);
});

const BAD = [
  "\r\n",
  "OK\r\n",
  "+OK\n",
  "+O\rK\r\n",
  "+O\nK\r\n",
  ":\r\n",
  ":+1\r\n",
  ":01\r\n",
  ":-0\r\n",
  ":1 \r\n",
  ":9999999999999999\r\n",
  "$\r\n",
  "$+1\r\nx\r\n",
  "$01\r\nx\r\n",
  "$16385\r\n",
  "$1\r\nxx\r\n",
  "*1\r\n-ERR\r\n",
  "*1\r\n*0\r\n",
  "*1025\r\n",
  "%1\r\n",
  "_\r\n",
  "*1\r\n\r\n",
  "x".repeat(MAX_REPLY_OCTETS + 1),
  `$16384\r\n${"x".repeat(16_384)}\r\n`,
  "*1024\r\n" + ":100000000000000\r\n".repeat(1024),
];

for (const text of BAD) {
  Deno.test(`no reply of ours: ${JSON.stringify(text.slice(0, 40))}`, () => {
    for (const size of [1, 5, MAX_REPLY_OCTETS]) {
      const { replies, fault } = read(encoder.encode("+before\r\n" + text), [size]);
      assert.deepEqual(replies, ["before"]);
      assert.notEqual(fault, null);
    }
  });
}

/** What the reader makes of a text, by the plainest means. */
const value = fc.oneof(
  fc.integer().map((number) => [`:${number}\r\n`, number] as const),
  fc.string({ unit: "binary", maxLength: 40 }).map((text) =>
    [
      `$${encoder.encode(text).length}\r\n${text}\r\n`,
      new TextDecoder().decode(encoder.encode(text)),
    ] as const
  ),
  fc.constant(["$-1\r\n", null] as const),
);
const reply = fc.oneof(
  value,
  fc.array(value, { maxLength: 12 }).map((items) =>
    [`*${items.length}\r\n${items.map(([text]) => text).join("")}`, items.map(([, item]) => item)] as const
  ),
);
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });

Deno.test("fuzz: what is written as a reply is read as it, however it is cut", () => {
  fc.assert(
    fc.property(fc.array(reply, { maxLength: 20 }), cuts, (replies, sizes) => {
      const octets = encoder.encode(replies.map(([text]) => text).join(""));
      assert.deepEqual(read(octets, sizes), {
        replies: replies.map(([, expected]) => expected),
        fault: null,
      });
    }),
    { seed: 20260, numRuns: 2_000 },
  );
});

Deno.test("fuzz: whatever comes brings replies and at most one fault, the same however it is cut", () => {
  const piece = fc.oneof(
    fc.constantFrom("\r\n", "+OK", "-ERR", ":1", "$2\r\n", "$-1", "*2\r\n", "*0", "ok", "\r", "\n", "9", "x"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), cuts, (pieces, sizes) => {
      const octets = encoder.encode(pieces.join(""));
      assert.deepEqual(read(octets, sizes), read(octets, [MAX_REPLY_OCTETS]));
    }),
    { seed: 20260, numRuns: 5_000 },
  );
});

Deno.test("a command is a list of strings with their lengths in octets", () => {
  assert.equal(formatCommand(["PING"]), "*1\r\n$4\r\nPING\r\n");
  assert.equal(
    formatCommand(["AUTH", "", "p\u00e9\r\n"]),
    "*3\r\n$4\r\nAUTH\r\n$0\r\n\r\n$5\r\np\u00e9\r\n\r\n",
  );
});
