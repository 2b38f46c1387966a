import assert from "node:assert/strict";
import { decodeXtext, encodeXtext } from "../../../src/bytes/xtext.ts";

Deno.test("encodeXtext() encodes what RFC 3461 §4 says and nothing else", () => {
  for (let octet = 0; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    const own = octet > 0x20 && octet < 0x7f && character !== "+" && character !== "=";
    const hex = octet.toString(16).toUpperCase().padStart(2, "0");
    assert.equal(encodeXtext(character), own ? character : `+${hex}`);
    assert.equal(decodeXtext(encodeXtext(character)), character);
  }
  assert.equal(encodeXtext("a+b=c d\r\ne"), "a+2Bb+3Dc+20d+0D+0Ae");
  assert.equal(encodeXtext(""), "");
  assert.equal(encodeXtext("\u010a"), "?");
});

Deno.test("decodeXtext() refuses what is not xtext", () => {
  for (const text of ["+", "+4", "a+", "+4G", "+g1", "+4a", "a b", "a=b", "\x7f", "\xe4", "\r"]) {
    assert.equal(decodeXtext(text), null, JSON.stringify(text));
  }
  assert.equal(decodeXtext("a+2Bb"), "a+b");
});
