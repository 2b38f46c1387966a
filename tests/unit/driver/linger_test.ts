import assert from "node:assert/strict";
import { closeLingering } from "../../../src/driver/linger.ts";
import { within } from "../../support/patience.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { connection } from "./peer.ts";

Deno.test("closeLingering() ends our direction, reads on until the peer ends its own, and closes", async () => {
  const clock = new ManualClock();
  const { near, peer } = connection();
  const closing = closeLingering(near, clock);
  await peer.send("late\r\n");
  await peer.expectEnd();
  assert.equal(near.closed, false);
  await peer.transport.closeWrite();
  await within(closing, () => "it does not end");
  assert.deepEqual([near.closed, clock.armed], [true, 0]);
});

Deno.test("closeLingering() waits for 2 seconds and no longer", async () => {
  const clock = new ManualClock();
  const { near, peer } = connection();
  const closing = closeLingering(near, clock);
  await peer.expectEnd();
  clock.advance(1_999);
  assert.equal(near.closed, false);
  clock.advance(1);
  await within(closing, () => "it does not end");
  assert.deepEqual([near.closed, clock.armed], [true, 0]);
});

Deno.test("closeLingering() reads 1 MiB and no more", async () => {
  const clock = new ManualClock();
  const { near, peer } = connection();
  const closing = closeLingering(near, clock);
  let sent = 0;
  const sending = (async () => {
    while (!near.closed) {
      await peer.transport.write(new Uint8Array(4_096));
      sent += 4_096;
    }
  })();
  await within(closing, () => "it does not end");
  // What is on the way when it closes stays there.
  peer.transport.cut();
  await sending.catch(() => {});
  assert.equal(sent >= 1_048_576 && sent < 1_048_576 + 3 * 65_536, true, `${sent} octets were sent`);
  assert.equal(clock.armed, 0);
});

Deno.test("closeLingering() ends at once when the peer is gone", async () => {
  const clock = new ManualClock();
  const { near, peer } = connection();
  peer.transport.cut();
  await within(closeLingering(near, clock), () => "it does not end");
  assert.deepEqual([near.closed, clock.armed], [true, 0]);
});
