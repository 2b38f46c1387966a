import assert from "node:assert/strict";
import { ChunkedBody } from "../../../src/auth/chunked_body.ts";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";

const bodies = [
  { name: "an empty body", raw: "0\r\n\r\n" },
  { name: "LF line ends", raw: "3\nabc\n0\n\n" },
  {
    name: "sizes with leading zeros and both cases of digits",
    raw: "00a\r\n0123456789\r\n0B\r\n01234567890\r\n000\r\n\r\n",
  },
  { name: "extensions and trailers", raw: "1 ;a=b\r\n\n\r\n0;x\r\nA: 1\r\nB: 2\r\n\r\n" },
  { name: "data that looks like framing", raw: "5\r\n0\r\n\r\n\r\n0\r\n\r\n" },
];
for (const { name, raw } of bodies) {
  Deno.test(`ChunkedBody finds the end of ${name}, cut at every position, and leaves what follows`, () => {
    const octets = encodeLatin1(raw + "HTTP");
    for (let cut = 0; cut < raw.length; cut++) {
      const body = new ChunkedBody();
      assert.equal(body.feed(octets.subarray(0, cut), 0), cut);
      assert.equal(body.ended, false);
      assert.equal(body.feed(octets, cut), raw.length);
      assert.equal(body.ended, true);
      assert.equal(body.malformed, false);
    }
  });
}

const malformed = ["x", "\r\n", ";", "1x", "-1", "1\r\nab", "1\r\nax\r\n", "12345678", "00000000"];
for (const raw of malformed) {
  Deno.test(`ChunkedBody refuses ${JSON.stringify(raw)} octet by octet`, () => {
    const body = new ChunkedBody();
    for (const octet of encodeLatin1(raw)) body.feed(new Uint8Array([octet]), 0);
    assert.equal(body.malformed, true);
    assert.equal(body.ended, false);
  });
}
