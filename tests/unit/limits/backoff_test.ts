import assert from "node:assert/strict";
import { fail, type Failures, forgottenAt, judge, MARKS } from "../../../src/limits/backoff.ts";
import type { LoginRule } from "../../../src/ports/limit_store.ts";

const MINUTE = 60_000;
const RULE: LoginRule = {
  delay: 2,
  refuse: 4,
  ban: 6,
  forgetMs: 5 * MINUTE,
  banMs: 10 * MINUTE,
  banMaxMs: 60 * MINUTE,
};

/** What happens to one key, one step after the other. */
class Story {
  failures: Failures | null = null;
  now = 0;
  readonly #rule: LoginRule;
  #password = 0;

  constructor(rule: Partial<LoginRule> = {}) {
    this.#rule = { ...RULE, ...rule };
  }

  /** Another password that is wrong, or the same one again; the ban that it begins, in minutes. */
  fail(mark = `wrong ${++this.#password}`): number | null {
    const { failures, bannedMs } = fail(this.failures, this.#rule, this.now, mark);
    this.failures = failures;
    return bannedMs === null ? null : bannedMs / MINUTE;
  }

  get verdict(): string {
    const verdict = judge(this.failures, this.#rule, this.now);
    return verdict.kind === "pass" ? `${verdict.delayMs / 1000} s` : verdict.kind;
  }

  after(minutes: number): this {
    this.now += minutes * MINUTE;
    return this;
  }

  get forgotten(): boolean {
    return this.failures === null || forgottenAt(this.failures, this.#rule) <= this.now;
  }
}

Deno.test("failed logins bring a delay, then a refusal, then a ban", () => {
  const story = new Story();
  const seen = [story.verdict];
  for (let failure = 1; failure <= 6; failure++) seen.push(`${story.fail() ?? "-"} ${story.verdict}`);
  assert.deepEqual(seen, ["0 s", "- 0 s", "- 1 s", "- 2 s", "- refused", "- refused", "10 banned"]);
});

Deno.test("the delay doubles up to 15 seconds", () => {
  const story = new Story({ delay: 1, refuse: null, ban: null });
  const seen = [];
  for (let failure = 1; failure <= 6; failure++) {
    story.fail();
    seen.push(story.verdict);
  }
  assert.deepEqual(seen, ["1 s", "2 s", "4 s", "8 s", "15 s", "15 s"]);
});

Deno.test("one failure after the other is forgotten", () => {
  const story = new Story();
  for (let failure = 1; failure <= 3; failure++) story.fail();
  assert.equal(story.verdict, "2 s");
  assert.equal(story.after(4.9).verdict, "2 s");
  assert.equal(story.after(0.1).verdict, "1 s");
  assert.equal(story.after(4).verdict, "1 s");
  // What is left of the time is not lost by a new failure.
  story.fail();
  assert.equal(story.verdict, "2 s");
  assert.equal(story.after(1).verdict, "1 s");
  assert.deepEqual([story.after(5).verdict, story.forgotten], ["0 s", false]);
  assert.deepEqual([story.after(5).verdict, story.forgotten], ["0 s", true]);
});

Deno.test("the same credentials count once, however often they fail", () => {
  const story = new Story({ ban: 3, refuse: null });
  for (let attempt = 0; attempt < 50; attempt++) assert.equal(story.fail("old password"), null);
  assert.equal(story.failures?.count, 1);
  story.fail("b");
  story.fail("old password");
  assert.equal(story.fail("c"), 10);
});

Deno.test("of credentials that failed, so many of the latest are told apart", () => {
  const story = new Story({ delay: 100, refuse: null, ban: null });
  for (let mark = 0; mark <= MARKS; mark++) story.fail(`${mark}`);
  story.fail("1");
  assert.equal(story.failures?.count, MARKS + 1);
  story.fail("0");
  assert.equal(story.failures?.count, MARKS + 2);
});

Deno.test("each ban is twice as long, up to the longest, and one try is free behind it", () => {
  const story = new Story({ delay: null, refuse: 4, ban: 6 });
  for (let failure = 1; failure <= 5; failure++) story.fail();
  const bans = [];
  for (let ban = 0; ban < 5; ban++) {
    let minutes = null;
    while (minutes === null) minutes = story.fail();
    bans.push(minutes);
    assert.equal(story.after(minutes - 0.1).verdict, "banned");
    assert.equal(story.after(0.1).verdict, "0 s");
    story.fail();
    assert.equal(story.verdict, "refused");
  }
  assert.deepEqual(bans, [10, 20, 40, 60, 60]);
});

Deno.test("bans are forgotten after the time of the longest", () => {
  const story = new Story({ delay: null, refuse: null, ban: 1 });
  assert.equal(story.fail(), 10);
  assert.equal(story.after(10 + 59).forgotten, false);
  assert.equal(story.fail(), 20);
  assert.equal(story.after(20 + 60).forgotten, true);
  assert.equal(story.fail(), 10);
});

Deno.test("a rule that changes holds for what is remembered", () => {
  const story = new Story();
  for (let failure = 1; failure <= 3; failure++) story.fail();
  assert.deepEqual(judge(story.failures, { ...RULE, refuse: 3 }, story.now), { kind: "refused" });
  assert.deepEqual(judge(story.failures, { ...RULE, delay: null }, story.now), { kind: "pass", delayMs: 0 });
});
