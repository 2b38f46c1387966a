import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { OctetQueue } from "../../../src/bytes/octet_queue.ts";

function queueOf(text: string): OctetQueue {
  const queue = new OctetQueue();
  queue.push(encodeLatin1(text));
  return queue;
}

Deno.test("OctetQueue shows and takes what was pushed", () => {
  const queue = queueOf("abc");
  queue.push(encodeLatin1("def"));
  assert.equal(queue.length, 6);
  assert.equal(queue.at(0), 0x61);
  assert.equal(queue.at(6), -1);
  assert.equal(queue.indexOf(0x64, 0), 3);
  assert.equal(queue.indexOf(0x64, 4), -1);
  assert.equal(queue.text(1, 3), "bc");
  queue.drop(4);
  assert.equal(queue.length, 2);
  assert.equal(queue.at(0), 0x65);
  assert.equal(decodeLatin1(queue.takeAll()), "ef");
  assert.equal(queue.length, 0);
});

Deno.test("OctetQueue copies what is pushed and what is taken", () => {
  const queue = new OctetQueue();
  const read = encodeLatin1("abc");
  queue.push(read);
  read.fill(0);
  const taken = queue.slice(0, 3);
  queue.push(encodeLatin1("d"));
  taken.fill(0);
  assert.equal(queue.text(0, 4), "abcd");
});

Deno.test("OctetQueue does not show octets that were taken", () => {
  const queue = queueOf("old\n");
  queue.drop(4);
  queue.push(encodeLatin1("n"));
  assert.equal(queue.indexOf(0x0a, 0), -1);
  assert.equal(queue.at(1), -1);
  queue.clear();
  assert.equal(queue.length, 0);
  assert.equal(queue.takeAll().length, 0);
});

Deno.test("OctetQueue keeps order through growing and compaction", () => {
  const queue = new OctetQueue();
  let pushed = 0;
  let taken = 0;
  for (let round = 0; round < 2000; round++) {
    const size = (round * 7) % 61;
    queue.push(Uint8Array.from({ length: size }, () => pushed++ % 251));
    const take = Math.min(queue.length, (round * 11) % 59);
    for (const octet of queue.slice(0, take)) assert.equal(octet, taken++ % 251);
    queue.drop(take);
    assert.equal(queue.length, pushed - taken);
  }
  for (const octet of queue.takeAll()) assert.equal(octet, taken++ % 251);
  assert.equal(taken, pushed);
  assert.ok(taken > 50_000);
});
