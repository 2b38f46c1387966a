import assert from "node:assert/strict";
import { RequestOctets } from "../../../src/auth/request_octets.ts";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";

const everyOctet = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet));

/** What is written, as text. */
function written(write: (octets: RequestOctets) => void): string {
  const octets = new RequestOctets();
  write(octets);
  return decodeLatin1(octets.written);
}

Deno.test("RequestOctets writes each part behind the one before", () => {
  const text = written((octets) => {
    octets.literal(encodeLatin1("\r\nA: "));
    octets.credential("a b%");
    octets.number(0);
    octets.number(65535);
    octets.fieldText("\t b%\r\n");
    octets.fieldText("");
  });
  assert.equal(text, "\r\nA: a%20b%25065535\t b%%0D%0A");
});

Deno.test("RequestOctets keeps what is no octet from becoming another one", () => {
  assert.equal(written((octets) => octets.fieldText("\u0100\u010a\uffff")), "???");
  assert.equal(written((octets) => octets.credential("\u0100\u0125\uffff")), "???");
});

Deno.test("RequestOctets has room for a text of any length, all of it escaped", () => {
  for (const length of [1, 682, 683, 2048, 2049, 40_000]) {
    const text = written((octets) => {
      octets.literal(encodeLatin1("begin "));
      octets.credential(" ".repeat(length));
      octets.fieldText("\n".repeat(length));
      octets.literal(encodeLatin1("x".repeat(length)));
      octets.literal(encodeLatin1(" end"));
    });
    assert.equal(
      text,
      `begin ${"%20".repeat(length)}${"%0A".repeat(length)}${"x".repeat(length)} end`,
    );
  }
});

for (const length of [1, 100, 2000, 100_000]) {
  Deno.test(`RequestOctets.clear() leaves nothing of ${length} octets of a credential`, () => {
    const octets = new RequestOctets();
    octets.literal(encodeLatin1("begin"));
    const first = octets.written;
    octets.credential("s".repeat(length));
    const request = octets.written;
    octets.clear();
    assert.equal(octets.written.length, 0);
    assert.ok(request.every((octet) => octet === 0));
    octets.fieldText(everyOctet);
    assert.equal(decodeLatin1(octets.written), written((fresh) => fresh.fieldText(everyOctet)));
    // Where more room was needed, nothing stays in the place of before either.
    if (first.buffer !== request.buffer) assert.ok(first.every((octet) => octet === 0));
  });
}
