import assert from "node:assert/strict";
import { ATTEMPT_DELAY_MS, connectFirst } from "../../../src/driver/connect_first.ts";
import { ConnectionError, type SocketAddress, type Transport } from "../../../src/ports/transport.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { connection } from "./peer.ts";

const ADDRESSES: readonly SocketAddress[] = ["::1", "192.0.2.1", "192.0.2.2"].map((host) => ({
  kind: "tcp",
  host,
  port: 25,
}));

/** Connections that the test lets come and fail. */
class Network {
  readonly clock = new ManualClock();
  readonly asked: { resolve(transport: Transport): void; reject(error: Error): void; signal: AbortSignal }[] =
    [];
  readonly failed: SocketAddress[] = [];
  readonly dialer = {
    connect: (_target: SocketAddress, signal: AbortSignal) =>
      new Promise<Transport>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new ConnectionError("closed", "given up")));
        this.asked.push({ resolve, reject, signal });
      }),
    startTls: () => Promise.reject(new Error("No TLS in this test")),
  };

  connect(signal = new AbortController().signal) {
    return connectFirst(ADDRESSES, this, signal, (address) => this.failed.push(address));
  }

  refuse(at: number): void {
    this.asked[at]!.reject(new ConnectionError("refused", `refused ${at}`));
  }
}

/** Lets what was settled be told. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

Deno.test("connectFirst() tries the next address beside one that takes its time, and takes the first that answers", async () => {
  const network = new Network();
  const connecting = network.connect();
  assert.equal(network.asked.length, 1);
  network.clock.advance(ATTEMPT_DELAY_MS);
  assert.equal(network.asked.length, 2);
  const { near } = connection();
  network.asked[1]!.resolve(near);
  assert.deepEqual(await connecting, { address: ADDRESSES[1], transport: near });
  assert.equal(network.asked[0]!.signal.aborted, true);
  assert.deepEqual(network.failed, []);
  assert.equal(network.clock.armed, 0);
  near.close();
});

Deno.test("connectFirst() does not wait after a refusal, and fails with the last one", async () => {
  const network = new Network();
  const connecting = network.connect();
  for (let at = 0; at < ADDRESSES.length; at++) {
    network.refuse(at);
    await turns();
  }
  await assert.rejects(connecting, /refused 2/);
  assert.deepEqual(network.failed, ADDRESSES);
  assert.equal(network.clock.armed, 0);
});

Deno.test("connectFirst() waits for those under way when nothing is left to begin", async () => {
  const network = new Network();
  const connecting = network.connect();
  network.clock.advance(ATTEMPT_DELAY_MS);
  network.clock.advance(ATTEMPT_DELAY_MS);
  network.refuse(2);
  await turns();
  network.refuse(0);
  await turns();
  const { near } = connection();
  network.asked[1]!.resolve(near);
  assert.equal((await connecting).address, ADDRESSES[1]);
  near.close();
});

Deno.test("connectFirst() closes a connection that comes too late", async () => {
  const network = new Network();
  const ended = new AbortController();
  const late = connection().near;
  network.dialer.connect = () => Promise.resolve(late);
  const connecting = network.connect(ended.signal);
  ended.abort();
  await assert.rejects(connecting, { name: "ConnectionError", code: "closed" });
  await turns();
  assert.equal(late.closed, true);
  await assert.rejects(network.connect(ended.signal), { code: "closed" });
});
