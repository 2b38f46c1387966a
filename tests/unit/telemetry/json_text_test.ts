import assert from "node:assert/strict";
import { jsonString } from "../../../src/telemetry/json_text.ts";

const rows: readonly { name: string; text: string; shown: string }[] = [
  { name: "plain text as it is", text: "hello", shown: '"hello"' },
  { name: "quotes and backslashes escaped", text: 'a"b\\c', shown: '"a\\"b\\\\c"' },
  { name: "line ends escaped", text: "a\r\nb\tc\0", shown: '"a\\r\\nb\\tc\\u0000"' },
  { name: "octets that are UTF-8 as the text they are", text: "J\xc3\xbcrgen", shown: '"Jürgen"' },
  { name: "octets that are not UTF-8 as latin1", text: "J\xfcrgen", shown: '"Jürgen"' },
  { name: "overlong UTF-8 as latin1", text: "\xc0\xaf", shown: '"À¯"' },
  { name: "Unicode text as it is", text: "é€", shown: '"é€"' },
  { name: "DEL and C1 controls escaped", text: "\x7f\x85\x9b", shown: '"\\u007f\\u0085\\u009b"' },
  { name: "a C1 control inside UTF-8 escaped", text: "\xc2\x85", shown: '"\\u0085"' },
  { name: "Unicode line ends inside UTF-8 escaped", text: "\xe2\x80\xa8", shown: '"\\u2028"' },
  { name: "a direction override escaped", text: "\u202etxt", shown: '"\\u202etxt"' },
  { name: "a byte order mark escaped", text: "\xef\xbb\xbfx", shown: '"\\ufeffx"' },
  { name: "a lone surrogate escaped", text: "\ud800", shown: '"\\ud800"' },
];

for (const { name, text, shown } of rows) {
  Deno.test(`jsonString() shows ${name}`, () => {
    assert.equal(jsonString(text), shown);
  });
}

Deno.test("jsonString() gives one line of JSON for every octet", () => {
  for (let octet = 0; octet < 256; octet++) {
    const shown = jsonString("x" + String.fromCharCode(octet));
    assert.equal(JSON.parse(shown), "x" + String.fromCharCode(octet));
    assert.doesNotMatch(shown, /\p{Cc}/u);
  }
});
