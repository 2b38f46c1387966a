import assert from "node:assert/strict";
import { MemoryLimitStore } from "../../../src/limits/memory_store.ts";
import { holds, RULE, storeTests } from "./store_cases.ts";

storeTests("the store in memory", async (body) => {
  let now = 0;
  const store = new MemoryLimitStore({ now: () => now });
  await body({ store, advance: (milliseconds) => now += milliseconds });
});

Deno.test("a flood of logins that nobody has makes no address forgotten, and is told", async () => {
  const forgotten: string[] = [];
  const store = new MemoryLimitStore({
    now: () => 0,
    mostEntries: 100,
    forgot: (family) => forgotten.push(family),
  });
  const rule = { ...RULE, delay: null, refuse: null, ban: 1 };
  const client = { key: "login client  192.0.2.1", rule, unless: null };
  await store.loginFailed({ watches: [client], mark: "m" });
  for (let login = 0; login < 1_000; login++) {
    await store.loginFailed({ watches: [{ key: `login user  ${login}`, rule, unless: null }], mark: "m" });
  }
  assert.equal(store.bans, 101);
  assert.deepEqual(forgotten, Array(900).fill("login user"));
  assert.deepEqual(await store.admit({ bans: [client.key], holds: [], rates: [] }), {
    over: "ban",
    index: 0,
  });
});

Deno.test("nothing is kept of places that are free again", async () => {
  const store = new MemoryLimitStore({ now: () => 0 });
  for (let client = 0; client < 100; client++) await store.admit(holds([`conn client  ${client}`, 1]));
  assert.equal(store.held, 100);
  store.release(Array.from({ length: 100 }, (_, client) => `conn client  ${client}`));
  assert.equal(store.held, 0);
});

Deno.test("the mark of credentials is made for those that fail only", async () => {
  const store = new MemoryLimitStore({ now: () => 0 });
  let made = 0;
  const attempt = {
    watches: [{ key: "login client  192.0.2.1", rule: { ...RULE, refuse: 1 }, unless: null }],
    get mark() {
      made++;
      return "m";
    },
  };
  assert.deepEqual(await store.loginAllowed(attempt), { kind: "pass", delayMs: 0, index: 0 });
  assert.equal(made, 0);
  await store.loginFailed(attempt);
  assert.equal(made, 1);
  assert.deepEqual(await store.loginAllowed(attempt), { kind: "refused", index: 0, forMs: null });
  assert.equal(made, 2);
});
