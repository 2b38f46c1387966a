import assert from "node:assert/strict";
import {
  concatBytes,
  decodeLatin1,
  displayText,
  encodeLatin1,
  encodeUtf8AsByteString,
  quoteText,
} from "../../../src/bytes/latin1.ts";

const ALL_OCTETS = Uint8Array.from({ length: 256 }, (_, octet) => octet);

Deno.test("encodeLatin1() and decodeLatin1() keep every octet", () => {
  const text = decodeLatin1(ALL_OCTETS);
  assert.equal(text.length, 256);
  for (let octet = 0; octet < 256; octet++) assert.equal(text.charCodeAt(octet), octet);
  assert.deepEqual(encodeLatin1(text), ALL_OCTETS);
});

Deno.test("decodeLatin1() takes the named part, of any length", () => {
  assert.equal(decodeLatin1(encodeLatin1("abcdef"), 2, 4), "cd");
  assert.equal(decodeLatin1(encodeLatin1("abcdef"), 2), "cdef");
  assert.equal(decodeLatin1(ALL_OCTETS, 7, 7), "");
  for (const length of [4095, 4096, 4097, 200_000]) {
    const text = "0123456789".repeat(length / 10 + 1).slice(0, length);
    assert.equal(decodeLatin1(encodeLatin1(`<${text}>`), 1, length + 1), text);
  }
});

Deno.test("encodeLatin1() does not turn a wide character into a line feed", () => {
  assert.deepEqual(encodeLatin1("a\u010ab"), encodeLatin1("a?b"));
});

Deno.test("concatBytes() joins in order", () => {
  assert.deepEqual(concatBytes([]), new Uint8Array(0));
  assert.deepEqual(
    concatBytes([encodeLatin1("ab"), encodeLatin1(""), encodeLatin1("c")]),
    encodeLatin1("abc"),
  );
});

Deno.test("encodeUtf8AsByteString() gives one unit per octet", () => {
  assert.equal(encodeUtf8AsByteString("a\u00e4\u20ac"), "a\xc3\xa4\xe2\x82\xac");
});

Deno.test("displayText() is fit for a line of a log", () => {
  const table: readonly [input: string, shown: string][] = [
    ["plain text", "plain text"],
    ["", ""],
    ["a\r\nb\0\x7f\x1b[1m", "a\\x0D\\x0Ab\\x00\\x7F\\x1B[1m"],
    [encodeUtf8AsByteString("j\u00f6rg \u20ac"), "j\u00f6rg \u20ac"],
    ["j\xf6rg", "j\u00f6rg"],
    ["bad \xc3 \x85", "bad \u00c3 \\x85"],
    [encodeUtf8AsByteString("a\u2028b\u202ec"), "a\\u{2028}b\\u{202E}c"],
    [encodeUtf8AsByteString("\ufeffx"), "\\u{FEFF}x"],
  ];
  for (const [input, shown] of table) assert.equal(displayText(input), shown);
});

Deno.test("quoteText() cannot be ended by the text", () => {
  assert.equal(quoteText('a", client: "\nb'), '"a\\x22, client: \\x22\\x0Ab"');
});
