import assert from "node:assert/strict";
import { HostedLimits } from "../../../src/app/hosted_limits.ts";
import type { FromLimitedWorker, ToLimitedWorker } from "../../../src/app/limit_messages.ts";
import { PostedLimitStore } from "../../../src/app/posted_limits.ts";
import { MemoryLimitStore } from "../../../src/limits/memory_store.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { holds, storeTests } from "../limits/store_cases.ts";

/** A worker and the first thread, with what they post. */
class Pair {
  readonly clock = new ManualClock();
  readonly hosted: HostedLimits;
  readonly posted: PostedLimitStore;
  /** Messages of the first thread that are on their way, while they are held back. */
  held: ToLimitedWorker[] | null = null;

  constructor(store: MemoryLimitStore, open = true) {
    this.hosted = new HostedLimits(store, (message) => {
      if (this.held === null) this.posted.answered(structuredClone(message));
      else this.held.push(message);
    });
    const post = (message: FromLimitedWorker) => this.hosted.receive(structuredClone(message));
    this.posted = new PostedLimitStore(post, this.clock, () => open);
  }
}

storeTests("the limits of the first thread, as a worker sees them", async (body) => {
  let now = 0;
  const pair = new Pair(new MemoryLimitStore({ now: () => now }));
  await body({ store: pair.posted, advance: (milliseconds) => now += milliseconds });
  assert.equal(pair.clock.armed, 0);
});

Deno.test("workers count together, and what a dead one had taken is free again", async () => {
  const store = new MemoryLimitStore({ now: () => 0 });
  const [first, second] = [new Pair(store), new Pair(store)];
  const asked = holds(["conn total  ", 3], ["conn client  a", 3]);
  assert.equal(await first.posted.admit(asked), null);
  assert.equal(await first.posted.admit(asked), null);
  assert.equal(await second.posted.admit(asked), null);
  assert.notEqual(await second.posted.admit(asked), null);
  first.posted.release(["conn total  ", "conn client  a"]);
  assert.equal(store.held, 4);
  first.hosted.end();
  assert.equal(store.held, 2);
  first.hosted.end();
  first.posted.release(["conn total  ", "conn client  a"]);
  assert.equal(store.held, 2);
  assert.equal(await second.posted.admit(asked), null);
});

Deno.test("a place that a worker gets when it is dead is free again", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const store = new class extends MemoryLimitStore {
    override async admit(...args: Parameters<MemoryLimitStore["admit"]>) {
      await promise;
      return await super.admit(...args);
    }
  }({ now: () => 0 });
  const { posted, hosted } = new Pair(store);
  void posted.admit(holds(["conn total  ", 3]));
  hosted.end();
  resolve();
  await new Promise((turn) => setTimeout(turn, 0));
  assert.equal(store.held, 0);
  await posted.close();
});

for (const open of [true, false]) {
  Deno.test(`without an answer in time a worker ${open ? "lets in" : "refuses"}, and counts what comes late as what it is`, async () => {
    const store = new MemoryLimitStore({ now: () => 0 });
    const pair = new Pair(store, open);
    pair.held = [];
    const answers = [
      pair.posted.admit(holds(["conn total  ", 3])),
      pair.posted.loginAllowed({ watches: [], mark: "" }),
      pair.posted.loginFailed({ watches: [], mark: "" }),
    ];
    await new Promise((turn) => setTimeout(turn, 0));
    pair.clock.advance(5_000);
    assert.deepEqual(
      await Promise.all(answers),
      open ? [null, { kind: "pass", delayMs: 0, index: 0 }, []] : [{ over: "store" }, { kind: "store" }, []],
    );
    assert.equal(store.held, 1);
    for (const message of pair.held.splice(0)) pair.posted.answered(message);
    // Who was let in has the place after all, until he leaves.
    assert.equal(store.held, open ? 1 : 0);
    if (open) pair.posted.release(["conn total  "]);
    assert.equal(store.held, 0);
    assert.equal(pair.clock.armed, 0);
  });
}

for (const left of ["before", "after"]) {
  Deno.test(`who was let in without an answer and leaves ${left} it gives back nobody else's place`, async () => {
    const store = new MemoryLimitStore({ now: () => 0 });
    const pair = new Pair(store);
    const asked = holds(["conn total  ", 9]);
    assert.equal(await pair.posted.admit(asked), null);
    pair.held = [];
    const answer = pair.posted.admit(asked);
    await new Promise((turn) => setTimeout(turn, 0));
    pair.clock.advance(5_000);
    assert.equal(await answer, null);
    if (left === "before") pair.posted.release(["conn total  "]);
    for (const message of pair.held.splice(0)) pair.posted.answered(message);
    if (left === "after") pair.posted.release(["conn total  "]);
    assert.equal(store.held, 1);
  });
}
