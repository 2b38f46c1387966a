import assert from "node:assert/strict";
import { beginsBinary, foreignProtocol } from "../../../src/grammar/foreign_protocol.ts";

const CASES: readonly (readonly [string, ReturnType<typeof foreignProtocol>])[] = [
  ["GET / HTTP/1.1", "http"],
  ["get / HTTP/1.0", "http"],
  ["POST /mail HTTP/1.1", "http"],
  ["CONNECT mx.test:25 HTTP/1.1", "http"],
  ["OPTIONS * HTTP/1.1", "http"],
  ["HEAD / HTTP/1.1", "http"],
  ["PUT /x HTTP/1.1", "http"],
  ["PRI * HTTP/2.0", "http"],
  ["Host: mx.test", "header"],
  ["Subject: hello", "header"],
  ["Content-Type:text/plain", "header"],
  ["MAIL:FROM", "header"],
  ["SSH-2.0-OpenSSH_9.2", "ssh"],
  ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "proxy"],
  ["PROXY UNKNOWN", "proxy"],
  ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "tls"],
  ["\x80\x2e\x01\x03\x01", "binary"],
  ["\x00", "binary"],
  ["\x03\x00\x00\x13", "binary"],
  ["\x7fELF", "binary"],
  ["\xc3\xa9", "binary"],
  // Bad commands of SMTP clients.
  ["", null],
  ["\r", null],
  [" EHLO me", null],
  ["\tEHLO me", null],
  ["DATA", null],
  ["GET", null],
  ["GETTING / HTTP", null],
  ["PROXY", null],
  ["PROXY me", null],
  ["SSH", null],
  ["BDAT 10 LAST", null],
  ["MAIL FROM:<a@b>\x00", null],
  ["XCLIENT NAME=a:b", null],
  ["a b: c", null],
  [": c", null],
];

for (const [line, expected] of CASES) {
  Deno.test(`foreignProtocol() takes ${JSON.stringify(line)} for ${expected ?? "a bad command"}`, () => {
    assert.equal(foreignProtocol(line), expected);
  });
}

Deno.test("beginsBinary() is false for what a line of text begins with, and for nothing at all", () => {
  const text = Array.from({ length: 256 }, (_, octet) => octet).filter((octet) => !beginsBinary(octet));
  const printable = Array.from({ length: 0x7f - 0x20 }, (_, at) => at + 0x20);
  assert.deepEqual(text, [0x09, 0x0a, 0x0d, ...printable]);
  assert.deepEqual([beginsBinary(-1), beginsBinary(Number.NaN)], [false, false]);
});
