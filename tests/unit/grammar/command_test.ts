import assert from "node:assert/strict";
import { parseCommand, parseSaslResponse } from "../../../src/grammar/command.ts";

const VERBS = [
  "HELO",
  "EHLO",
  "QUIT",
  "AUTH",
  "NOOP",
  "MAIL",
  "RSET",
  "RCPT",
  "VRFY",
  "EXPN",
  "HELP",
  "STARTTLS",
];

Deno.test("parseCommand() knows the verbs in any case", () => {
  for (const verb of VERBS) {
    const mixed = verb[0] + verb.slice(1).toLowerCase();
    for (const text of [verb, verb.toLowerCase(), mixed]) {
      assert.deepEqual(parseCommand(text), { verb, args: [], text });
    }
  }
});

Deno.test("parseCommand() splits arguments at spaces and keeps the text as typed", () => {
  const table: readonly [line: string, args: string[], text: string][] = [
    ["NOOP ", [], "NOOP"],
    ["NOOP    ", [], "NOOP"],
    ["ehlo mx.example", ["mx.example"], "ehlo mx.example"],
    ["Mail  FROM:<a@b>   SIZE=1  ", ["FROM:<a@b>", "SIZE=1"], "Mail  FROM:<a@b>   SIZE=1"],
    ["MAIL foo bar", ["foo", "bar"], "MAIL foo bar"],
    ["HELO a\tb", ["a\tb"], "HELO a\tb"],
    ["HELO \t", ["\t"], "HELO \t"],
    ["RCPT \0\x01\x7f\xff", ["\0\x01\x7f\xff"], "RCPT \0\x01\x7f\xff"],
    ["NOOP 1 2 3 4 5 6 7 8 9 10 11", "1 2 3 4 5 6 7 8 9 10 11".split(" "), "NOOP 1 2 3 4 5 6 7 8 9 10 11"],
    ["NOOP 1 2 3 4 5 6 7 8 9 10 11  ", "1 2 3 4 5 6 7 8 9 10 11".split(" "), "NOOP 1 2 3 4 5 6 7 8 9 10 11"],
  ];
  for (const [line, args, text] of table) {
    const command = parseCommand(line);
    assert.deepEqual({ args: command?.args, text: command?.text }, { args, text }, JSON.stringify(line));
  }
});

Deno.test("parseCommand() refuses what nginx's parser refuses", () => {
  const table = [
    "",
    " ",
    " NOOP",
    "DATA",
    "BDAT 1 LAST",
    "XCLIENT ADDR=1.2.3.4",
    "NOO",
    "NOOPE",
    "STARTTL",
    "STARTTLSS",
    "NO0P",
    "NOOP\t",
    "NOOP\tx",
    "NOO\0",
    "NOOP\r",
    "\rNOOP",
    "NO\rP",
    "EHLO a\rb",
    "EHLO a\r",
    "EHLO a \r",
    "NOOP 1 2 3 4 5 6 7 8 9 10 11 12",
    "\xc5OOP",
    "RE\xdf ",
    "EHLO:x",
  ];
  for (const line of table) assert.equal(parseCommand(line), null, JSON.stringify(line));
});

Deno.test("parseSaslResponse() takes the first token, perhaps nothing", () => {
  const table: readonly [line: string, response: string | null][] = [
    ["", ""],
    ["Zm9v", "Zm9v"],
    ["Zm9v ignored words", "Zm9v"],
    [" Zm9v", ""],
    ["*", "*"],
    ["=", "="],
    ["QUIT", "QUIT"],
    ["Zm\t9v", "Zm\t9v"],
    ["Zm9v\r", null],
    ["\rZm9v", null],
    ["Zm9v a\rb", null],
  ];
  for (const [line, response] of table) assert.equal(parseSaslResponse(line), response, JSON.stringify(line));
});
