import assert from "node:assert/strict";
import { createClock, type TimeSource } from "../../../src/io/deadlines.ts";

/** Time that stands still until the test moves it; it fires timers like the runtime, at whole milliseconds. */
class FakeTime implements TimeSource {
  #now = 1000.25;
  readonly timers = new Map<number, { at: number; fire: () => void }>();
  #next = 0;
  now = () => 1_700_000_000_000 + this.#now;
  monotonic = () => this.#now;
  after(milliseconds: number, fire: () => void): () => void {
    const id = this.#next++;
    this.timers.set(id, { at: this.#now + milliseconds, fire });
    return () => this.timers.delete(id);
  }
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].fire();
    }
    this.#now = end;
  }
}

for (const waitMs of [0, 1, 49, 50, 51, 999, 5_000, 59_950, 60_000, 61_000, 3_600_000, 86_400_000]) {
  Deno.test(`a deadline of ${waitMs} ms never fires early and at most 100 ms late`, () => {
    const time = new FakeTime();
    const clock = createClock(time);
    let fired = 0;
    const deadline = clock.deadline(() => fired++);
    deadline.arm(waitMs);
    if (waitMs > 0) time.advance(waitMs - 0.5);
    assert.equal(fired, 0);
    time.advance(100);
    assert.equal(fired, 1);
    time.advance(waitMs + 200);
    assert.equal(fired, 1, "it fires once per arming");
    assert.equal(time.timers.size, 0);
  });
}

Deno.test("arming again moves the deadline, later and earlier", () => {
  const time = new FakeTime();
  const clock = createClock(time);
  let fired = 0;
  const deadline = clock.deadline(() => fired++);
  deadline.arm(1000);
  time.advance(900);
  deadline.arm(1000);
  time.advance(900);
  assert.equal(fired, 0);
  deadline.arm(60);
  time.advance(160);
  assert.equal(fired, 1);
});

Deno.test("a disarmed deadline does not fire, and the runtime has no timer while nothing is armed", () => {
  const time = new FakeTime();
  const clock = createClock(time);
  let fired = 0;
  const deadlines = [10, 500, 70_000].map((waitMs) => {
    const deadline = clock.deadline(() => fired++);
    deadline.arm(waitMs);
    return deadline;
  });
  assert.equal(time.timers.size, 1);
  for (const deadline of deadlines) deadline.disarm();
  deadlines[0]!.disarm();
  assert.equal(time.timers.size, 0);
  time.advance(100_000);
  assert.equal(fired, 0);
});

Deno.test("callbacks may arm and disarm deadlines, their own too", () => {
  const time = new FakeTime();
  const clock = createClock(time);
  const times: number[] = [];
  const other = clock.deadline(() => assert.fail("it was disarmed"));
  const own = clock.deadline(() => {
    times.push(time.monotonic());
    other.disarm();
    if (times.length < 3) own.arm(0);
  });
  own.arm(100);
  other.arm(250);
  time.advance(1000);
  assert.equal(times.length, 3);
  assert.equal(time.timers.size, 0);
});

Deno.test("an event loop that stood still fires everything that is due, and nothing else", () => {
  const time = new FakeTime();
  const clock = createClock(time);
  const fired: number[] = [];
  for (const waitMs of [100, 30_000, 119_000, 500_000]) clock.deadline(() => fired.push(waitMs)).arm(waitMs);
  const [timer] = time.timers.values();
  time.timers.clear();
  time.advance(120_000);
  timer!.fire();
  time.advance(100);
  assert.deepEqual(fired, [100, 30_000, 119_000]);
});

Deno.test("random armings fire in their windows", () => {
  const time = new FakeTime();
  const clock = createClock(time);
  let seed = 12345;
  const random = (limit: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % limit;
  let late = 0;
  const entries = Array.from({ length: 300 }, () => {
    const entry = { due: Infinity, deadline: clock.deadline(() => late = Math.max(late, check())) };
    const check = () => {
      const by = time.monotonic() - entry.due;
      assert.ok(by >= 0, `it fired ${by} ms early`);
      entry.due = Infinity;
      return by;
    };
    return entry;
  });
  for (let step = 0; step < 5000; step++) {
    const entry = entries[random(entries.length)]!;
    if (random(4) === 0) {
      entry.deadline.disarm();
      entry.due = Infinity;
    } else {
      const waitMs = random(random(10) === 0 ? 200_000 : 3000);
      entry.deadline.arm(waitMs);
      entry.due = time.monotonic() + waitMs;
    }
    time.advance(random(40));
    for (const { due } of entries) assert.ok(due > time.monotonic() - 100, "a deadline was missed");
  }
  assert.ok(late <= 100);
});

Deno.test("sleep() ends after its time, or at once when its signal aborts", async () => {
  const time = new FakeTime();
  const clock = createClock(time);
  const stop = new AbortController();
  const ended: string[] = [];
  const sleeps = [
    clock.sleep(1000).then(() => ended.push("slept")),
    clock.sleep(5000, stop.signal).then(() => ended.push("aborted")),
    clock.sleep(5000, AbortSignal.abort()).then(() => ended.push("never began")),
  ];
  await Promise.resolve();
  stop.abort();
  await Promise.resolve();
  time.advance(1100);
  await Promise.all(sleeps);
  assert.deepEqual(ended.toSorted(), ["aborted", "never began", "slept"]);
  assert.equal(time.timers.size, 0);
});

Deno.test("the real clock wakes up, and leaves no timer behind", async () => {
  const clock = createClock();
  const before = performance.now();
  await clock.sleep(20);
  assert.ok(performance.now() - before >= 20);
  clock.deadline(() => assert.fail("closed")).arm(10);
  clock.close();
});
