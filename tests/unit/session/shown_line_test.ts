import assert from "node:assert/strict";
import { shownLine } from "../../../src/session/shown_line.ts";

Deno.test("shownLine() shows the beginning of a command, and no credentials", () => {
  const rows: readonly (readonly [said: string, shown: string])[] = [
    ["MAIL FROM:<a@b>", '"MAIL FROM:<a@b>"'],
    ["EHLO client.test\r\nAUTH PLAIN c2VjcmV0", '"EHLO client.test"'],
    ["GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n", '"GET / HTTP/1.1"'],
    ['NOOP a"b\0\x1b', '"NOOP a\\x22b\\x00\\x1B"'],
    [`NOOP ${"x".repeat(600)}`, `"NOOP ${"x".repeat(507)}"`],
    ["AUTH PLAIN c2VjcmV0", '"..."'],
    ["auth login c2VjcmV0", '"..."'],
    ["AUTHX c2VjcmV0", '"..."'],
    // Base64, which a client may send where no exchange is going on any more.
    ["c2VjcmV0", '"..."'],
    ["AGFsaWNlAHNlY3JldA==\r\nNOOP x", '"..."'],
    ["\x16\x03\x01\x02\x00", '"..."'],
    ["", '"..."'],
  ];
  for (const [said, shown] of rows) assert.equal(shownLine(said), shown, JSON.stringify(said));
});
