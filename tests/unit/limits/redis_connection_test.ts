import assert from "node:assert/strict";
import { RedisConnection } from "../../../src/limits/redis_connection.ts";
import { inMemoryPair } from "../../support/in_memory_transport.ts";

const encoder = new TextEncoder();

Deno.test("what is asked in one turn goes out in one write, and is answered in order", async () => {
  const [ours, theirs] = inMemoryPair();
  const connection = new RedisConnection(ours);
  const answers = Promise.all([connection.ask(["GET", "a"]), connection.ask(["GET", "b"])]);
  const buffer = new Uint8Array(1_000);
  const count = await theirs.read(buffer);
  const command = (key: string) => `*2\r\n$3\r\nGET\r\n$1\r\n${key}\r\n`;
  assert.equal(new TextDecoder().decode(buffer.subarray(0, count!)), command("a") + command("b"));
  await theirs.write(encoder.encode(":1\r\n+tw"));
  await theirs.write(encoder.encode("o\r\n"));
  assert.deepEqual(await answers, [1, "two"]);
  connection.close();
  assert.equal(await connection.ended, "closed");
  await assert.rejects(connection.ask(["GET", "c"]), { message: "closed" });
});

const FLOODS = [["many", "x"], ["long", "x".repeat(1_000_000)]] as const;

for (const [what, key] of FLOODS) {
  Deno.test(`a server that takes nothing is left when too ${what} questions wait for it`, async () => {
    const [ours] = inMemoryPair({ capacity: 1 });
    const connection = new RedisConnection(ours);
    const reasons = new Set<string>();
    let asked = 0;
    let over = false;
    void connection.ended.then(() => over = true);
    while (!over && asked < 1_000_000) {
      for (let turn = 0; turn < 10; turn++, asked++) {
        connection.ask(["GET", key]).catch(({ message }) => reasons.add(message));
      }
      await Promise.resolve();
    }
    assert.ok(over && asked <= 65_600, `${asked}`);
    await connection.ended;
    assert.deepEqual([...reasons], ["it does not keep up with the questions"]);
  });
}

Deno.test("who waits for an answer is told why the connection is over", async () => {
  const [ours, theirs] = inMemoryPair();
  const connection = new RedisConnection(ours);
  const asked = [connection.ask(["GET", "a"]), connection.ask(["GET", "b"])];
  const outcomes = Promise.allSettled(asked);
  theirs.close();
  const told = (await outcomes).map((outcome) => outcome.status === "rejected" && outcome.reason.message);
  const reason = await connection.ended;
  assert.deepEqual(told, [reason, reason]);
});
