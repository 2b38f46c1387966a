import assert from "node:assert/strict";
import { checkDump } from "../../../scripts/bench/dump_text.ts";
import { announcedOctets, messageChunk, recipientFor } from "../../../scripts/bench/message.ts";
import { newTotals, SinkSession, type SinkTotals } from "../../../scripts/bench/sink_session.ts";
import { concatBytes, decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";

const OCTETS = 1024;

/** What a client says to send one message of `OCTETS`. */
function dialogue(content = messageChunk(OCTETS, 0), announced = OCTETS): Uint8Array {
  return concatBytes([
    encodeLatin1(`EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<${recipientFor(announced)}>\r\nDATA\r\n`),
    content,
    encodeLatin1(".\r\nQUIT\r\n"),
  ]);
}

function feed(chunks: readonly Uint8Array[]): { readonly totals: SinkTotals; readonly replies: string } {
  const totals = newTotals();
  const session = new SinkSession(totals);
  const replies = chunks.map((chunk) => session.feed(chunk)).join("");
  session.end();
  return { totals, replies };
}

const CODES = ["250", "250", "250", "354", "250", "221"];

Deno.test("SinkSession counts a message that came whole, wherever it was cut", () => {
  const octets = dialogue();
  for (let at = 0; at <= octets.length; at++) {
    const { totals, replies } = feed([octets.subarray(0, at), octets.subarray(at)]);
    assert.deepEqual(totals, { messages: 1, octets: OCTETS, faults: [] });
    assert.deepEqual(replies.trimEnd().split("\r\n").map((line) => line.slice(0, 3)), CODES);
  }
});

Deno.test("SinkSession takes a message octet by octet", () => {
  const { totals } = feed(Array.from(dialogue(), (octet) => Uint8Array.of(octet)));
  assert.deepEqual(totals, { messages: 1, octets: OCTETS, faults: [] });
});

Deno.test("SinkSession takes messages that are longer than the pattern", () => {
  const octets = 64 * 5000;
  const chunks = [messageChunk(octets, 0), messageChunk(octets, 256 * 1024)];
  const { totals } = feed([dialogue(concatBytes(chunks), octets)]);
  assert.deepEqual(totals, { messages: 1, octets, faults: [] });
});

Deno.test("SinkSession has a fault for a message with any octet changed", () => {
  for (let at = 0; at < OCTETS; at++) {
    const content = messageChunk(OCTETS, 0).slice();
    content[at]! ^= 1;
    const { totals } = feed([dialogue(content)]);
    assert.equal(totals.faults.length, 1, `octet ${at}`);
  }
});

const FAULTS: readonly { readonly name: string; readonly sent: Uint8Array }[] = [
  { name: "lacks its last line", sent: dialogue(messageChunk(OCTETS, 0).subarray(0, OCTETS - 64)) },
  {
    name: "has a line twice",
    sent: dialogue(concatBytes([messageChunk(OCTETS, 0), messageChunk(OCTETS, 0).subarray(0, 64)])),
  },
  { name: "ends before its dot", sent: dialogue().subarray(0, -10) },
  { name: "was cut in the middle", sent: dialogue().subarray(0, 600) },
];

for (const { name, sent } of FAULTS) {
  Deno.test(`SinkSession has a fault when a message ${name}`, () => {
    const { totals } = feed([sent]);
    assert.equal(totals.faults.length, 1);
  });
}

Deno.test("SinkSession has a fault for a session without QUIT", () => {
  const { totals } = feed([dialogue().subarray(0, -"QUIT\r\n".length)]);
  assert.deepEqual([totals.messages, totals.faults.length], [1, 1]);
});

Deno.test("a recipient tells the length of the message", () => {
  assert.equal(announcedOctets(`RCPT TO:<${recipientFor(52428800)}>\r\n`), 52428800);
  assert.equal(announcedOctets("RCPT TO:<someone@sink.test>\r\n"), null);
});

Deno.test("messageChunk() has whole lines of 64 octets, none of which begins with a dot", () => {
  const lines = decodeLatin1(messageChunk(64 * 1024, 0)).split("\r\n");
  assert.equal(lines.pop(), "");
  assert.equal(new Set(lines).size, 1024, "all lines differ");
  for (const line of lines) assert.match(line, /^[A-Za-z0-9+/]{62}$/);
  assert.throws(() => messageChunk(100, 0), RangeError);
});

const CONTENT = "one\ntwo\n\nthree\n";

/** A message as smtp-sink 3.7 dumps it. */
function dumped(content: string): string {
  return `X-Client-Addr: 127.0.0.1
X-Client-Proto: ESMTP
X-Helo-Args: proxy.test
X-Mail-Args: <foo@vm>
X-Rcpt-Args: <foo@vm>
Received: from proxy.test ([127.0.0.1])
	by smtp-sink (smtp-sink) with ESMTP id 69e60425;
	Mon, 23 Nov 2026 16:56:22 +0000 (UTC)
${content}
`;
}

Deno.test("checkDump() counts messages and their octets on the wire", () => {
  assert.deepEqual(checkDump(dumped(CONTENT) + dumped(CONTENT), CONTENT), {
    messages: 2,
    octets: 2 * CONTENT.replaceAll("\n", "\r\n").length,
    faults: [],
  });
});

for (
  const [name, changed] of [["changed", "one\ntwO\n\nthree\n"], ["shortened", "one\n"], [
    "empty",
    "",
  ]] as const
) {
  Deno.test(`checkDump() has a fault for a message that was ${name}`, () => {
    const { messages, faults } = checkDump(dumped(CONTENT) + dumped(changed), CONTENT);
    assert.deepEqual([messages, faults.length], [1, 1]);
  });
}

Deno.test("checkDump() has a fault for headers without a message", () => {
  assert.equal(checkDump("X-Client-Addr: 127.0.0.1\nX-Client-Proto: ESMTP\n", CONTENT).faults.length, 1);
});
