import assert from "node:assert/strict";
import { SessionEnding } from "../../../src/driver/session_ending.ts";
import { SignInHolds } from "../../../src/driver/sign_in_holds.ts";
import type { EndSignal } from "../../../src/ports/end_signal.ts";
import { ManualClock } from "../auth/manual_clock.ts";

/** A signal that counts who listens. */
class Counting extends SessionEnding {
  listeners = 0;

  override addEventListener(type: "abort", listener: () => void): void {
    this.listeners++;
    super.addEventListener(type, listener);
  }

  override removeEventListener(type: "abort", listener: () => void): void {
    this.listeners--;
    super.removeEventListener(type, listener);
  }
}

Deno.test("a wait for a release leaves no timer and no listener behind, however it ends", async () => {
  const ends: Record<string, (holds: SignInHolds, clock: ManualClock, signal: SessionEnding) => void> = {
    released: (holds) => holds.set([], 5_000),
    late: (_holds, clock) => clock.advance(5_000),
    "late, as its session ends": (_holds, _clock, signal) => signal.abort(),
  };
  for (const [how, end] of Object.entries(ends)) {
    const clock = new ManualClock();
    const signal = new Counting();
    const holds = new SignInHolds();
    holds.set(["ada"], 5_000);
    const waiting = holds.wait("Ada", clock, signal);
    end(holds, clock, signal);
    assert.equal(await waiting, how.split(",")[0]);
    assert.equal(clock.armed, 0);
    assert.equal(signal.listeners, 0);
  }
});

Deno.test("nobody waits for a release in a session that has ended", async () => {
  const holds = new SignInHolds();
  holds.set(["ada"], 5_000);
  const ended: EndSignal = AbortSignal.abort();
  assert.equal(await holds.wait("ada", new ManualClock(), ended), "late");
  assert.equal(await holds.wait("bob", new ManualClock(), ended), "free");
});
