/**
 * What every store of limits does, as tests that run with each of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Admission, LimitStore, LoginAttempt, LoginRule } from "../../../src/ports/limit_store.ts";

/** A store, and the time in the test's hands. */
export interface TestedStore {
  readonly store: LimitStore;
  advance(milliseconds: number): void;
}

type Case = (tested: TestedStore) => Promise<void>;

/** Asks for places, and for nothing else. */
export function holds(...wanted: readonly (readonly [key: string, most: number])[]): Admission {
  return { bans: [], holds: wanted.map(([key, most]) => ({ key, most })), rates: [] };
}

function rates(...wanted: readonly (readonly [key: string, count: number, burst: number])[]): Admission {
  return {
    bans: [],
    holds: [],
    rates: wanted.map(([key, count, burst]) => ({ key, count, perMs: 60_000, burst })),
  };
}

export const RULE: LoginRule = {
  delay: 2,
  refuse: 3,
  ban: 5,
  forgetMs: 300_000,
  banMs: 600_000,
  banMaxMs: 3_600_000,
};

const CLIENT = "login client  192.0.2.1";
const USER = "login user  ada";
const HOME = "known user 198.51.100.7 ada";

/** Its mark is made when it is read, which an object that crosses threads does not survive. */
class Attempt implements LoginAttempt {
  readonly watches: LoginAttempt["watches"];
  readonly #mark: string;

  constructor(watches: LoginAttempt["watches"], mark: string) {
    this.watches = watches;
    this.#mark = mark;
  }

  get mark(): string {
    return this.#mark;
  }
}

/** Somebody who tries `mark` as ada; `home` has signed in before. */
function attempt(mark: string, { client = CLIENT, home = false, rule = RULE } = {}): LoginAttempt {
  const watches = [{ key: client, rule, unless: null }, { key: USER, rule, unless: home ? HOME : null }];
  return new Attempt(watches, mark);
}

const CASES: Readonly<Record<string, Case>> = {
  "so many places are taken as there are, and each is free again once": async ({ store }) => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => store.admit(holds(["conn client  a", 3]))),
    );
    assert.equal(answers.filter((answer) => answer === null).length, 3);
    assert.deepEqual(answers.at(-1), { over: "hold", index: 0 });
    assert.equal(await store.admit(holds(["conn client  b", 3])), null);
    store.release(["conn client  a"]);
    assert.equal(await store.admit(holds(["conn client  a", 3])), null);
    assert.deepEqual(await store.admit(holds(["conn client  a", 3])), { over: "hold", index: 0 });
    // Another limit for the same key, as after a reload.
    assert.equal(await store.admit(holds(["conn client  a", 4])), null);
  },

  "places that were never taken are not given back": async ({ store }) => {
    store.release(["conn client  a", "conn client  a"]);
    assert.equal(await store.admit(holds(["conn client  a", 1])), null);
    assert.deepEqual(await store.admit(holds(["conn client  a", 1])), { over: "hold", index: 0 });
  },

  "an admission takes all or nothing": async ({ store }) => {
    const both = { ...holds(["conn client  a", 2], ["conn total  ", 3]), rates: rates(["r", 1, 2]).rates };
    assert.equal(await store.admit(both), null);
    assert.equal(await store.admit(both), null);
    assert.deepEqual(await store.admit(both), { over: "hold", index: 0 });
    const other = { ...both, holds: holds(["conn client  b", 2], ["conn total  ", 3]).holds };
    assert.equal(await store.admit(other), null);
    assert.deepEqual(await store.admit(other), { over: "hold", index: 1 });
    store.release(["conn total  "]);
    // The rate alone is in the way: no place is taken.
    for (let turn = 0; turn < 3; turn++) {
      assert.deepEqual(await store.admit(other), { over: "rate", index: 0 });
    }
    assert.equal(await store.admit(holds(["conn client  b", 2], ["conn total  ", 3])), null);
  },

  "a rate lets a burst through and then one after the other": async ({ store, advance }) => {
    const asked = () => store.admit(rates(["messages user  ada", 30, 2]));
    const answers = [];
    for (let turn = 0; turn < 5; turn++) answers.push(await asked());
    assert.deepEqual(answers, [null, null, null, { over: "rate", index: 0 }, { over: "rate", index: 0 }]);
    advance(1_999);
    assert.deepEqual(await asked(), { over: "rate", index: 0 });
    advance(1);
    assert.equal(await asked(), null);
    assert.deepEqual(await asked(), { over: "rate", index: 0 });
  },

  "of several rates none is used up when one is over": async ({ store }) => {
    assert.equal(await store.admit(rates(["a", 30, 0], ["b", 30, 1])), null);
    for (let turn = 0; turn < 3; turn++) {
      assert.deepEqual(await store.admit(rates(["b", 30, 1], ["a", 30, 0])), { over: "rate", index: 1 });
    }
    assert.equal(await store.admit(rates(["b", 30, 1])), null);
    assert.deepEqual(await store.admit(rates(["b", 30, 1])), { over: "rate", index: 0 });
  },

  "many who ask at the same time get as many as there are": async ({ store }) => {
    const asked = { ...holds(["conn total  ", 50]), rates: rates(["connections total  ", 1, 19]).rates };
    const answers = await Promise.all(Array.from({ length: 200 }, () => store.admit(asked)));
    assert.equal(answers.filter((answer) => answer === null).length, 20);
  },

  "failed logins bring a delay, a refusal and a ban": async ({ store, advance }) => {
    const seen = [];
    for (let turn = 1; turn <= 6; turn++) {
      const tried = attempt(`wrong ${turn}`);
      const verdict = await store.loginAllowed(tried);
      seen.push(verdict.kind === "pass" ? `${verdict.delayMs}` : verdict.kind);
      if (verdict.kind === "pass") assert.deepEqual(await store.loginFailed(tried), []);
    }
    // Of the fourth on nothing is tried, and counts all the same: the fifth begins the ban.
    assert.deepEqual(seen, ["0", "0", "1000", "refused", "banned", "banned"]);
    const banned = { bans: [CLIENT], holds: [], rates: [] };
    assert.deepEqual(await store.admit(banned), { over: "ban", index: 0 });
    assert.equal(await store.admit({ ...banned, bans: ["login client  192.0.2.2"] }), null);
    advance(600_000);
    assert.equal(await store.admit(banned), null);
    assert.deepEqual(await store.loginAllowed(attempt("right")), { kind: "pass", delayMs: 1_000, index: 0 });
  },

  "who begins a ban is told how long it lasts": async ({ store, advance }) => {
    const rule = { ...RULE, delay: null, refuse: null, ban: 2 };
    assert.deepEqual(await store.loginFailed(attempt("a", { rule })), []);
    assert.deepEqual(await store.loginFailed(attempt("b", { rule })), [
      { index: 0, forMs: 600_000 },
      { index: 1, forMs: 600_000 },
    ]);
    assert.deepEqual(await store.loginAllowed(attempt("c", { rule })), {
      kind: "banned",
      index: 0,
      forMs: null,
    });
    advance(600_000);
    const again = await store.loginFailed(attempt("d", { rule }));
    assert.deepEqual(again.map(({ forMs }) => forMs), [1_200_000, 1_200_000]);
  },

  "the same credentials that fail again are not counted again": async ({ store }) => {
    for (let turn = 0; turn < 20; turn++) await store.loginFailed(attempt("old password"));
    assert.deepEqual(await store.loginAllowed(attempt("new password")), {
      kind: "pass",
      delayMs: 0,
      index: 0,
    });
  },

  "a user is watched wherever he comes from, but for where he has signed in": async ({ store }) => {
    store.loginSucceeded(HOME);
    for (let turn = 0; turn < 3; turn++) {
      await store.loginFailed(attempt(`guess ${turn}`, { client: `login client  192.0.2.${turn}` }));
    }
    const elsewhere = await store.loginAllowed(attempt("x", { client: "login client  203.0.113.1" }));
    assert.deepEqual(elsewhere, { kind: "refused", index: 1, forMs: null });
    const home = attempt("x", { client: "login client  198.51.100.7", home: true });
    assert.deepEqual(await store.loginAllowed(home), { kind: "pass", delayMs: 0, index: 0 });
    // At home a wrong password counts for the address alone.
    await store.loginFailed(home);
    assert.deepEqual(await store.loginAllowed({ watches: home.watches, mark: "y" }), {
      kind: "pass",
      delayMs: 0,
      index: 0,
    });
  },

  "failures are forgotten one after the other": async ({ store, advance }) => {
    for (let turn = 0; turn < 3; turn++) await store.loginFailed(attempt(`wrong ${turn}`));
    assert.equal((await store.loginAllowed(attempt("wrong 0"))).kind, "refused");
    advance(300_000);
    assert.deepEqual(await store.loginAllowed(attempt("x")), { kind: "pass", delayMs: 1_000, index: 0 });
    advance(300_000);
    assert.deepEqual(await store.loginAllowed(attempt("x")), { kind: "pass", delayMs: 0, index: 0 });
  },
};

/** Registers them all; `withStore` gives each a store of its own. */
export function storeTests(
  name: string,
  withStore: (body: (tested: TestedStore) => Promise<void>) => Promise<void>,
  register: (name: string, fn: () => Promise<void>) => void = (title, fn) => Deno.test(title, fn),
): void {
  for (const [title, body] of Object.entries(CASES)) register(`${name}: ${title}`, () => withStore(body));
}
