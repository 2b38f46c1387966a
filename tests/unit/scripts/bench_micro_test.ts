import assert from "node:assert/strict";
import { ScriptedPeer, type Step } from "../../../scripts/bench_micro/scripted_peer.ts";
import { prepareSessions } from "../../../scripts/bench_micro/whole_session.ts";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { ConnectionError } from "../../../src/ports/transport.ts";

for (const load of ["plain", "starttls"] as const) {
  Deno.test(`whole sessions in memory are relayed, one after the other: ${load}`, async () => {
    const sessions = await prepareSessions(load);
    try {
      for (let i = 0; i < 3; i++) await sessions.run();
    } finally {
      sessions.close();
    }
  });
}

const SCRIPT: readonly Step[] = [
  { hears: encodeLatin1("250"), whole: false, says: encodeLatin1("DATA\r\n") },
  { hears: encodeLatin1("one\r\ntwo\r\n.\r\n"), whole: true, says: encodeLatin1("250 queued\r\n") },
];

/** A peer that was asked for the second step of its script. */
async function atMessage(): Promise<ScriptedPeer> {
  const peer = new ScriptedPeer(encodeLatin1("220 hi\r\n"), SCRIPT);
  assert.equal(await read(peer), "220 hi\r\n");
  await peer.write(encodeLatin1("250-a\r\n250 b\r\n"));
  assert.equal(await read(peer), "DATA\r\n");
  return peer;
}

async function read(peer: ScriptedPeer, octets = 64): Promise<string | null> {
  const into = new Uint8Array(octets);
  const count = await peer.read(into);
  return count === null ? null : new TextDecoder().decode(into.subarray(0, count));
}

Deno.test("ScriptedPeer answers once it has heard all of a step, in pieces too, and ends after the last", async () => {
  const peer = await atMessage();
  await peer.write(encodeLatin1("one\r\n"));
  const answer = read(peer, 4);
  await peer.write(encodeLatin1("two\r\n.\r\n"));
  assert.deepEqual([await answer, await read(peer), await read(peer)], ["250 ", "queued\r\n", null]);
  assert.ok(peer.finished);
});

for (
  const [name, pieces] of Object.entries({
    "changed": ["onE\r\ntwo\r\n.\r\n"],
    "without a line": ["one\r\n.\r\n"],
    "with more behind it": ["one\r\ntwo\r\n.\r\nQUIT\r\n"],
    "with more behind it, later": ["one\r\n", "two\r\n.\r\n", "QUIT\r\n"],
  })
) {
  Deno.test(`ScriptedPeer refuses a message ${name}`, async () => {
    const peer = await atMessage();
    await assert.rejects(async () => {
      for (const piece of pieces) await peer.write(encodeLatin1(piece));
    }, /Expected/);
  });
}

Deno.test("ScriptedPeer has not finished while a part of the message is missing", async () => {
  const peer = await atMessage();
  await peer.write(encodeLatin1("one\r\ntwo\r\n"));
  assert.ok(!peer.finished);
});

Deno.test("ScriptedPeer ends a read when it is closed", async () => {
  const peer = await atMessage();
  const reading = peer.read(new Uint8Array(1));
  peer.close();
  await assert.rejects(reading, ConnectionError);
});
