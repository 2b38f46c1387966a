import assert from "node:assert/strict";
import { CalloutError } from "../../../src/auth/callout_error.ts";
import { HttpConnectionPool } from "../../../src/auth/http_connection_pool.ts";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";
import type { Transport } from "../../../src/ports/transport.ts";
import { inMemoryPair, type InMemoryTransport } from "../../support/in_memory_transport.ts";
import { ManualClock } from "./manual_clock.ts";

const unending = new AbortController().signal;
const request = encodeLatin1("GET / HTTP/1.1\r\n\r\n");
const response = encodeLatin1("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

/** A pool whose connections are opened by the test, in the order of asking. */
function makePool(maxIdle = 4) {
  const clock = new ManualClock();
  const opening: { readonly open: () => InMemoryTransport; readonly signal: AbortSignal }[] = [];
  const connect = (signal: AbortSignal) =>
    new Promise<Transport>((resolve, reject) => {
      const open = () => {
        const [near, far] = inMemoryPair();
        resolve(near);
        return far;
      };
      opening.push({ open, signal });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  return { pool: new HttpConnectionPool({ connect, clock, maxIdle }), clock, opening };
}

async function isCalloutError(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => error instanceof CalloutError && error.code === code);
}

/** Answers every request on a connection until it ends. */
async function serve(far: InMemoryTransport): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await far.read(buffer) !== null) await far.write(response);
}

Deno.test("HttpConnectionPool opens 512 connections at most; further questions have their turn later", async () => {
  const { pool, opening } = makePool();
  const session = new AbortController();
  const questions = Array.from({ length: 514 }, () => pool.exchange(request, 1000, session.signal));
  assert.equal(opening.length, 512);
  const served = serve(opening[0]!.open());
  assert.equal((await questions[0]!).status, 200);
  assert.equal((await questions[512]!).status, 200);
  assert.equal((await questions[513]!).status, 200);
  assert.equal(opening.length, 512);
  assert.equal(pool.idle, 1);
  session.abort();
  for (const question of questions.slice(1, 512)) await isCalloutError(question, "aborted");
  pool.close();
  await served;
});

Deno.test("HttpConnectionPool.exchange() counts the time in the queue and while connecting", async () => {
  const { pool, opening, clock } = makePool();
  const questions = Array.from({ length: 513 }, () => pool.exchange(request, 1000, unending));
  clock.advance(1000);
  for (const question of questions) await isCalloutError(question, "timeout");
  assert.equal(opening.length, 512);
  assert.equal(clock.armed, 0);
  assert.ok(opening.every(({ signal }) => signal.aborted));
  const next = pool.exchange(request, 1000, unending);
  await opening[512]!.open().write(response);
  assert.equal((await next).status, 200);
  pool.close();
});
