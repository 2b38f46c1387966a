import assert from "node:assert/strict";
import { shownLine } from "../../../src/session/shown_line.ts";

Deno.test("shownLine() shows the beginning of a command, and no credentials", () => {
  const rows: readonly (readonly [said: string, shown: string])[] = [
    ["MAIL FROM:<a@b>", '"MAIL FROM:<a@b>"'],
    ["EHLO client.test\r\nAUTH PLAIN c2VjcmV0", '"EHLO client.test"'],
    ["GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n", '"GET ..."'],
    ["GET /login?password=secret HTTP/1.1\r\n", '"GET ..."'],
    ['NOOP a"b\0\x1b', '"NOOP a\\x22b\\x00\\x1B"'],
    [`NOOP ${"x".repeat(600)}`, `"NOOP ${"x".repeat(507)}"`],
    ["AUTH PLAIN c2VjcmV0", '"..."'],
    ["auth login c2VjcmV0", '"..."'],
    ["AUTHX c2VjcmV0", '"..."'],
    // Without the line end that was before it, as a broken client may send it.
    ["EHLO client.testAUTH PLAIN c2VjcmV0", '"EHLO client.test..."'],
    ["mail from:<a@b>\0auth\tplain c2VjcmV0", '"mail from:<a@b>\\x00..."'],
    ["EHLO x Authorization: Bearer c2VjcmV0", '"EHLO x Authorization: ..."'],
    ["MAIL FROM:<a@b> AUTH=<>", '"MAIL FROM:<a@b> AUTH=<>"'],
    // Other protocols have their passwords behind other words, and a pass phrase begins with any.
    ["PASS secret", '"..."'],
    ["a LOGIN alice secret", '"..."'],
    ["correct horse battery staple", '"..."'],
    // Base64, which a client may send where no exchange is going on any more.
    ["c2VjcmV0", '"..."'],
    ["AGFsaWNlAHNlY3JldA==\r\nNOOP x", '"..."'],
    ["\x16\x03\x01\x02\x00", '"..."'],
    ["", '"..."'],
  ];
  for (const [said, shown] of rows) assert.equal(shownLine(said), shown, JSON.stringify(said));
});
