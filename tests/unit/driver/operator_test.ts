/**
 * What an operator does to sessions: looks at them, ends them, holds users back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { accepted, type Bench, withBench } from "./bench.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const HELD = "454 4.7.0 Mailbox is being moved, try again later\r\n";
const WAIT_MS = 30_000;

async function signIn(bench: Bench, user = "ada"): Promise<void> {
  await bench.client.expect(GREETING);
  await bench.client.send(`AUTH PLAIN ${btoa(`\0${user}\0secret`)}\r\n`);
}

Deno.test("the board has a session with what it does, from its begin to its end", async () => {
  await withBench({}, async (bench) => {
    const all = () => bench.board.list(() => true, 10);
    await bench.client.expect(GREETING);
    assert.equal(all().sessions[0]?.state, "command");
    assert.equal(all().sessions[0]?.user, null);
    await bench.client.send("QUIT\r\n");
    await bench.client.rest();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "quit");
    assert.deepEqual(all(), { total: 0, sessions: [] });
  });
});

Deno.test("the board says that a client is being greeted, and that it is waited for", async () => {
  await withBench({ settings: { smtp_greeting_delay: 3_000 } }, async (bench) => {
    const doing = () => bench.board.list(() => true, 10).sessions[0]?.doing;
    await bench.clock.armedFor(3_000);
    const { near } = bench;
    const written = Promise.withResolvers<void>();
    const { write } = near;
    near.write = (bytes) => written.promise.then(() => write.call(near, bytes));
    bench.clock.advance(3_000);
    await bench.clock.armedFor(60_000);
    assert.equal(doing(), "sending client greeting line");
    written.resolve();
    await bench.client.expect(GREETING);
    await bench.client.send("NOOP\r\n");
    await bench.client.expect("250 2.0.0 OK\r\n");
    assert.equal(doing(), "in auth state");
  });
});

Deno.test("the board counts octets while a relay runs", async () => {
  await withBench({}, async (bench) => {
    const upstream = await bench.relaying();
    await bench.client.send("NOOP\r\n");
    await upstream.expect("NOOP\r\n");
    const [facts] = bench.board.list(({ user }) => user !== null, 10).sessions;
    assert.equal(facts?.state, "relaying");
    assert.ok(facts.octetsToUpstream >= 6, String(facts.octetsToUpstream));
  });
});

Deno.test("the board lists as many as it is asked for and counts the others", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    assert.deepEqual(bench.board.list(() => true, 0), { total: 1, sessions: [] });
    assert.deepEqual(bench.board.list(() => false, 10), { total: 0, sessions: [] });
  });
});

Deno.test("the board ends the session that it is told to, and no other", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    assert.equal(bench.board.end("another"), false);
    assert.equal(bench.board.end("5e5510"), true);
    assert.equal(await bench.client.rest(), "421 4.3.2 mx.test Service shutting down\r\n");
    assert.equal(await bench.outcome(), "dismissed");
  });
});

Deno.test("the sign-in of a held user waits, and the service is asked when he is released", async () => {
  await withBench({}, async (bench) => {
    bench.holds.set(["ADA"], WAIT_MS);
    await signIn(bench);
    await bench.clock.armedFor(WAIT_MS);
    assert.equal(bench.board.list(() => true, 1).sessions[0]?.state, "waiting");
    bench.holds.set(["bob"], WAIT_MS);
    const { question, answer } = await bench.asked();
    assert.equal(question.user, "ada");
    answer(accepted());
    await bench.upstream();
  });
});

Deno.test("a held user that the service names otherwise waits too, and the service is asked anew", async () => {
  await withBench({}, async (bench) => {
    bench.holds.set(["ada@mail.test"], WAIT_MS);
    await signIn(bench);
    (await bench.asked()).answer(accepted({ user: "ada@mail.test" }));
    await bench.clock.armedFor(WAIT_MS);
    bench.holds.set([], WAIT_MS);
    (await bench.asked()).answer(accepted({ user: "ada@mail.test" }));
    await bench.upstream();
  });
});

Deno.test("a sign-in that is held for too long fails for now", async () => {
  await withBench({}, async (bench) => {
    bench.holds.set(["ada"], WAIT_MS);
    await signIn(bench);
    await bench.clock.armedFor(WAIT_MS);
    bench.clock.advance(WAIT_MS);
    await bench.client.expect(HELD);
    assert.equal(await bench.client.rest(), "");
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "refused");
  });
});

Deno.test("a sign-in that is held ends with its session", async () => {
  await withBench({}, async (bench) => {
    bench.holds.set(["ada"], WAIT_MS);
    await signIn(bench);
    await bench.clock.armedFor(WAIT_MS);
    bench.interrupt("abort");
    assert.equal(await bench.outcome(), "shutdown");
  });
});

Deno.test("who is not held does not wait", async () => {
  await withBench({}, async (bench) => {
    bench.holds.set(["ada"], WAIT_MS);
    await signIn(bench, "bob");
    assert.equal((await bench.asked()).question.user, "bob");
  });
});
