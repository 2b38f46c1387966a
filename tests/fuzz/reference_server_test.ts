import assert from "node:assert/strict";
import { referenceMessages, repaired, unstuffed } from "./reference_server.ts";

const HEAD = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n";

const ROWS: readonly (readonly [string, string, readonly string[]])[] = [
  ["one message", `${HEAD}DATA\r\nx\r\n.\r\nQUIT\r\n`, ["x\r\n"]],
  ["an empty one", `${HEAD}DATA\r\n.\r\n`, [""]],
  ["stuffed dots", `${HEAD}DATA\r\n..\r\n...x\r\n.\r\n`, [".\r\n..x\r\n"]],
  ["LF dot LF", `${HEAD}DATA\r\nx\n.\nMAIL FROM:<e@x>\r\n.\r\n`, ["x\n.\nMAIL FROM:<e@x>\r\n"]],
  ["CRLF dot CR", `${HEAD}DATA\r\nx\r\n.\r\r\n.\r\n`, ["x\r\n\r\r\n"]],
  ["one without end", `${HEAD}DATA\r\nx\r\n.\n`, []],
  ["two", `${HEAD}DATA\r\nx\r\n.\r\n${HEAD}DATA\r\ny\r\n.\r\n`, ["x\r\n", "y\r\n"]],
  ["no recipient", "MAIL FROM:<a@x>\r\nDATA\r\nx\r\n.\r\n", []],
  ["a refused recipient", "MAIL FROM:<a@x>\r\nRCPT TO:<refused@x>\r\nDATA\r\nNOOP\r\n.\r\n", []],
  ["chunks", `${HEAD}BDAT 3\r\na\nbBDAT 2 LAST\r\n\r\n`, ["a\nb\r\n"]],
  ["an empty last chunk", `${HEAD}BDAT 1\r\naBDAT 0 LAST\r\n`, ["a"]],
  ["a chunk without a recipient", "BDAT 6 LAST\r\nQUIT\r\n" + `${HEAD}DATA\r\nx\r\n.\r\n`, ["x\r\n"]],
  ["a reset", `${HEAD}RSET\r\nDATA\r\nQUIT\r\n`, []],
  ["something behind QUIT", `QUIT\r\n${HEAD}DATA\r\nx\r\n.\r\n`, []],
];

for (const [name, stream, contents] of ROWS) {
  Deno.test(`the reference reads ${name}`, () => {
    assert.deepEqual(referenceMessages(stream).map(({ content }) => content), contents);
  });
}

Deno.test("repairs and dots, as the RFCs have them", () => {
  assert.equal(repaired("a\nb\rc\r\nd\r\r\n"), "a\r\nb c\r\nd \r\n");
  assert.equal(unstuffed("..a\r\n..\r\nb\n..\r\n"), ".a\r\n.\r\nb\n..\r\n");
});
