import assert from "node:assert/strict";
import { CalloutReadiness } from "../../../src/app/readiness.ts";
import { ConnectionError, type Dialer } from "../../../src/ports/transport.ts";
import { MetricMemory } from "../../../src/telemetry/metric_memory.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { loadGood } from "../config/reading.ts";
import { connection } from "../driver/peer.ts";

const CONFIG = loadGood("mail:\n  auth_http: 127.0.0.1:9000\n  servers:\n    - listen: 25\n");

interface Setup {
  /** Seconds ago, of each worker. */
  readonly answered?: readonly (number | null)[];
  readonly failed?: readonly (number | null)[];
  /** Whether something listens where the service is to be. */
  readonly listens?: boolean;
}

function setUp({ answered = [null], failed = [null], listens = true }: Setup) {
  const clock = new ManualClock();
  clock.advance(1_000_000);
  const dialled: string[] = [];
  const dialer: Pick<Dialer, "connect"> = {
    connect: (target) => {
      dialled.push(target.kind);
      return listens
        ? Promise.resolve(connection().near)
        : Promise.reject(new ConnectionError("refused", "refused"));
    },
  };
  const at = (ago: number | null | undefined) => ago == null ? 0 : clock.now() - ago * 1000;
  const blocks = answered.map((_, index) => {
    const block = new MetricMemory();
    block.calloutTimes.set([at(answered[index]), at(failed[index])]);
    return block;
  });
  const readiness = new CalloutReadiness({ clock, dialer: dialer as Dialer, blocks: () => blocks });
  return { clock, dialled, readiness };
}

const rows: readonly (Setup & { name: string; ok: boolean; looks: number })[] = [
  { name: "a service that answered last", answered: [5], failed: [6], ok: true, looks: 0 },
  { name: "a service that answered long ago", answered: [61], ok: true, looks: 1 },
  {
    name: "a service that answered long ago and is gone",
    answered: [61],
    failed: [62],
    listens: false,
    ok: false,
    looks: 1,
  },
  { name: "a service that failed just now", answered: [6], failed: [5], ok: false, looks: 0 },
  {
    name: "a service that answered another worker since",
    answered: [null, 1],
    failed: [5, 6],
    ok: true,
    looks: 0,
  },
  { name: "a service that failed some time ago and listens", failed: [11], ok: true, looks: 1 },
  {
    name: "a service that failed some time ago and does not listen",
    failed: [11],
    listens: false,
    ok: false,
    looks: 1,
  },
  { name: "a service that nobody asked yet and that listens", ok: true, looks: 1 },
  { name: "a service that nobody asked yet and that does not listen", listens: false, ok: false, looks: 1 },
];

for (const { name, ok, looks, ...setup } of rows) {
  Deno.test(`CalloutReadiness says ${ok ? "ready" : "not ready"} with ${name}`, async () => {
    const { readiness, dialled, clock } = setUp(setup);
    assert.equal((await readiness.verdict(CONFIG)).ok, ok);
    assert.equal(dialled.length, looks);
    assert.equal(clock.armed, 0);
  });
}

Deno.test("CalloutReadiness looks at a service once for questions that come together", async () => {
  const { readiness, dialled, clock } = setUp({});
  await Promise.all([readiness.verdict(CONFIG), readiness.verdict(CONFIG)]);
  assert.equal(dialled.length, 1);
  clock.advance(3_000);
  await readiness.verdict(CONFIG);
  assert.equal(dialled.length, 2);
});
