import assert from "node:assert/strict";
import { ReceivedOctets } from "../../../src/io/tls_transport.ts";

Deno.test("ReceivedOctets gives as much of what came as there is room for, in order", () => {
  const received = new ReceivedOctets();
  for (const chunk of [[1, 2], [3], [4, 5, 6], []]) received.push(Uint8Array.from(chunk));
  const into = new Uint8Array(4);
  assert.equal(received.take(into), 4);
  assert.deepEqual([...into], [1, 2, 3, 4]);
  assert.equal(received.empty, false);
  received.push(Uint8Array.of(7));
  assert.equal(received.take(into), 3);
  assert.deepEqual([...into.subarray(0, 3)], [5, 6, 7]);
  assert.equal(received.empty, true);
  assert.equal(received.take(into), undefined);
  received.end();
  assert.equal(received.take(into), null);
});
