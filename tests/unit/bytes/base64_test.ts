import assert from "node:assert/strict";
import { decodeBase64, encodeBase64 } from "../../../src/bytes/base64.ts";
import { decodeLatin1 } from "../../../src/bytes/latin1.ts";

Deno.test("encodeBase64() and decodeBase64() agree with RFC 4648 §10", () => {
  const table: readonly [plain: string, encoded: string][] = [
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg=="],
    ["\0user\0pass", "AHVzZXIAcGFzcw=="],
    ["\xfb\xff\xfe", "+//+"],
  ];
  for (const [plain, encoded] of table) {
    assert.equal(encodeBase64(plain), encoded);
    assert.equal(decodeBase64(encoded), plain);
  }
});

Deno.test("decodeBase64() takes what nginx takes", () => {
  const table: readonly [text: string, decoded: string | null][] = [
    ["Zg", "f"],
    ["Zm8", "fo"],
    ["Zh==", "f"],
    ["=", ""],
    ["=garbage *", ""],
    ["Zm9v=Zm9v", "foo"],
    ["Zg=", "f"],
    ["Z", null],
    ["Zm9vY", null],
    ["Z===", null],
    ["*", null],
    ["Zm9v Zm9v", null],
    ["Zm9v\n", null],
    [" Zm9v", null],
    ["Zm-_", null],
    ["Zm\xe4v", null],
    ["Zm\u0141v", null],
  ];
  for (const [text, decoded] of table) assert.equal(decodeBase64(text), decoded, JSON.stringify(text));
});

Deno.test("decodeBase64() gives every octet back", () => {
  const all = decodeLatin1(Uint8Array.from({ length: 256 }, (_, octet) => octet));
  assert.equal(decodeBase64(encodeBase64(all)), all);
});
