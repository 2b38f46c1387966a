/**
 * Every phase of a session, interrupted from outside in every way, on a real connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { MemoryLimitStore } from "../../../src/limits/memory_store.ts";
import type { Admission, AdmissionAnswer, LimitStore, LoginVerdict } from "../../../src/ports/limit_store.ts";
import type { Interruption, JointPhase } from "../../../src/session/joint.ts";
import { accepted, type Bench, type BenchOptions, refused, withBench } from "./bench.ts";

interface PhaseCase {
  readonly options?: BenchOptions;
  /** Brings the session into the phase. */
  readonly enter: (bench: Bench) => Promise<void>;
  /** The session's own deadline in this phase, milliseconds; null where it has none. */
  readonly deadlineMs: number | null;
  /** What the client hears and how it is counted; null where the session goes on. */
  readonly ends: Readonly<Record<Exclude<Interruption, "dismiss">, string | null>>;
  /** After an interruption that changes nothing: the session must get to its end. */
  readonly finish?: (bench: Bench) => Promise<void>;
  readonly finished?: string;
}

const SHUTDOWN = "421 4.3.2 mx.test Service shutting down\r\n";
const TIMEOUT = "421 4.4.2 mx.test Timeout, closing connection\r\n";
const GREETING = "220 mx.test ESMTP ready\r\n";

async function ask(bench: Bench): Promise<void> {
  await bench.client.expect(GREETING);
  await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
}

/** After an interruption that waits for the login to be decided: a refusal is still said, then comes the 421. */
async function refuse(bench: Bench): Promise<void> {
  bench.clock.advance(2_000);
  await bench.client.expect("535 5.7.0 Bad creds\r\n");
}

const questions = new WeakMap<Bench, { answer(answer: ReturnType<typeof refused>): void }>();

/** Answers after the test has interrupted. */
class LaterLimits extends MemoryLimitStore {
  override async admit(admission: Admission): Promise<AdmissionAnswer> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return await super.admit(admission);
  }
}

const CASES: Readonly<Record<JointPhase, PhaseCase>> = {
  proxy_header: {
    options: { proxyProtocol: true, settings: { set_real_ip_from: [allOfIpv4()] } },
    enter: (bench) => bench.clock.armedFor(60_000),
    deadlineMs: 60_000,
    ends: { deadline: "|timeout", drain: "|shutdown", abort: "|shutdown" },
  },
  admitting: {
    options: {
      settings: { limit_conn: [{ by: "total", most: 1, zone: "" }] },
      limits: new LaterLimits({ now: () => 0 }),
    },
    enter: () => Promise.resolve(),
    deadlineMs: null,
    ends: { deadline: null, drain: "|shutdown", abort: "|shutdown" },
  },
  handshake: {
    options: { ssl: true },
    enter: (bench) => bench.clock.armedFor(60_000),
    deadlineMs: 60_000,
    ends: { deadline: "|timeout", drain: "|shutdown", abort: "|shutdown" },
  },
  resolving: {
    options: {
      resolve: (signal) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve("[TEMPUNAVAIL]"))),
    },
    enter: () => Promise.resolve(),
    deadlineMs: null,
    ends: { deadline: null, drain: `${SHUTDOWN}|shutdown`, abort: `${SHUTDOWN}|shutdown` },
  },
  greeting_delay: {
    options: { settings: { smtp_greeting_delay: 3_000 } },
    enter: (bench) => bench.clock.armedFor(3_000),
    deadlineMs: null,
    ends: { deadline: null, drain: `${SHUTDOWN}|shutdown`, abort: `${SHUTDOWN}|shutdown` },
  },
  command: {
    enter: (bench) => bench.client.expect(GREETING),
    deadlineMs: 60_000,
    ends: { deadline: `${TIMEOUT}|timeout`, drain: `${SHUTDOWN}|shutdown`, abort: `${SHUTDOWN}|shutdown` },
  },
  asking: {
    enter: async (bench) => {
      await ask(bench);
      questions.set(bench, await bench.asked());
    },
    deadlineMs: null,
    ends: { deadline: null, drain: null, abort: `${SHUTDOWN}|shutdown` },
    finish: async (bench) => {
      questions.get(bench)!.answer(refused({ waitMs: 2_000 }));
      await bench.clock.armedFor(2_000);
      await refuse(bench);
    },
    finished: `${SHUTDOWN}|shutdown`,
  },
  waiting: {
    enter: async (bench) => {
      await ask(bench);
      (await bench.asked()).answer(refused({ waitMs: 2_000 }));
      await bench.clock.armedFor(2_000);
    },
    deadlineMs: null,
    ends: { deadline: null, drain: null, abort: `${SHUTDOWN}|shutdown` },
    finish: refuse,
    finished: `${SHUTDOWN}|shutdown`,
  },
  connecting: {
    enter: async (bench) => {
      await ask(bench);
      (await bench.asked()).answer(accepted());
      await (await bench.upstream()).send("220 hi\r\n");
    },
    deadlineMs: null,
    ends: { deadline: null, drain: null, abort: `${SHUTDOWN}|shutdown` },
    finish: async (bench) => {
      bench.dialled[0]!.cut();
      await bench.client.expect("451 4.3.2 Internal server error\r\n");
    },
    finished: "|upstream_failed",
  },
  relaying: {
    options: { settings: { proxy_timeout: 7_000 } },
    enter: async (bench) => {
      await bench.relaying();
      await bench.clock.armedFor(7_000);
    },
    deadlineMs: 7_000,
    ends: { deadline: `${TIMEOUT}|relay_timeout`, drain: null, abort: "|shutdown" },
    finish: (bench) => Promise.resolve(bench.dialled[0]!.cut()),
    finished: "421 4.4.2 mx.test Lost the connection to the mail server\r\n|relay_lost",
  },
};

for (const [phase, row] of Object.entries(CASES)) {
  for (const cause of ["deadline", "drain", "abort", "dismiss"] as const) {
    const expected = cause === "dismiss"
      ? row.ends.abort!.replace("|shutdown", "|dismissed")
      : row.ends[cause];
    // Where a deadline changes nothing, a drain behind it shows that the session is where it was.
    const last = expected === null && cause === "deadline" ? row.ends.drain : expected;
    Deno.test(`a session that is ${phase} takes ${cause}: ${expected ?? "it goes on"}`, async () => {
      await withBench(row.options ?? {}, async (bench) => {
        await row.enter(bench);
        if (cause === "deadline" && row.deadlineMs !== null) bench.clock.advance(row.deadlineMs);
        else bench.interrupt(cause);
        if (expected === null && cause === "deadline") bench.interrupt("drain");
        const end = async () => {
          const heard = await bench.client.rest();
          bench.client.transport.close();
          return `${heard}|${await bench.outcome()}`;
        };
        if (last !== null) return assert.equal(await end(), last);
        await row.finish!(bench);
        assert.equal(await end(), row.finished);
      });
    });
  }
}

Deno.test("a drain lets a client go on that is at work, until it is silent for a second", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    bench.drain();
    for (let round = 0; round < 3; round++) {
      bench.clock.advance(900);
      await bench.client.send("NOOP\r\n");
      await bench.client.expect("250 2.0.0 OK\r\n");
    }
    bench.clock.advance(1_000);
    assert.equal(await bench.client.rest(), SHUTDOWN);
    assert.equal(await bench.outcome(), "shutdown");
  });
});

Deno.test("a drain before the greeting lets the client be greeted, and sends it away when it is silent", async () => {
  await withBench({ settings: { smtp_greeting_delay: 3_000 } }, async (bench) => {
    await bench.clock.armedFor(3_000);
    bench.drain();
    bench.clock.advance(3_000);
    await bench.client.expect(GREETING);
    await bench.clock.armedFor(1_000);
    bench.clock.advance(1_000);
    assert.equal(await bench.client.rest(), SHUTDOWN);
  });
});

Deno.test("a login that is decided while the process drains is carried out", async () => {
  await withBench({}, async (bench) => {
    await ask(bench);
    const question = await bench.asked();
    bench.drain();
    question.answer(accepted());
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    bench.interrupt("abort");
  });
});

Deno.test("a second interruption changes nothing: the first word and the first outcome stay", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    bench.clock.advance(60_000);
    bench.interrupt("drain");
    bench.interrupt("abort");
    assert.equal(await bench.client.rest(), TIMEOUT);
    assert.equal(await bench.outcome(), "timeout");
  });
});

Deno.test("a last word that nobody takes is given up after 5 seconds", async () => {
  await withBench({ pair: { capacity: GREETING.length } }, async (bench) => {
    bench.client.transport.hold(true);
    await bench.clock.armedFor(60_000);
    bench.interrupt("abort");
    await bench.clock.armedFor(5_000);
    bench.clock.advance(5_000);
    assert.equal(await bench.outcome(), "shutdown");
  });
});

Deno.test("a reply that is half written is followed by no other: the connection is closed", async () => {
  await withBench({ pair: { capacity: GREETING.length }, settings: { timeout: 9_000 } }, async (bench) => {
    await bench.clock.armedFor(9_000);
    await bench.client.send("NOOP\r\n");
    // The greeting fills the way to the client, who reads nothing: the 250 is stuck.
    await bench.clock.armedFor(9_000);
    while (!bench.counted.includes("command NOOP 250")) await Promise.resolve();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    bench.clock.advance(9_000);
    assert.equal(await bench.outcome(), "timeout");
    assert.equal(await bench.client.rest(), GREETING);
  });
});

Deno.test("a session that has said its last word ends as it says, whatever interrupts the wait for the client", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("x".repeat(5_000));
    await bench.client.expect("500 5.5.1 Invalid command\r\n");
    await bench.client.expectEnd();
    bench.interrupt("drain");
    bench.interrupt("abort");
    await bench.clock.armedFor(2_000);
    bench.clock.advance(2_000);
    assert.equal(await bench.outcome(), "line_too_long");
  });
});

Deno.test("a client that does not take its refusal at the entrance is given up after timeout", async () => {
  await withBench({ settings: { smtp_greeting_delay: 3_000, timeout: 9_000 } }, async (bench) => {
    await bench.clock.armedFor(3_000);
    // Nobody takes what is written, until the connection is closed.
    const { near } = bench;
    near.write = () => near.read(new Uint8Array(1)).then(() => {});
    await bench.client.send("EHLO early\r\n");
    await bench.clock.armedFor(9_000);
    bench.clock.advance(9_000);
    assert.equal(await bench.outcome(), "timeout");
  });
});

for (const smtp_guard of [true, false]) {
  const how = smtp_guard ? "guarded" : "blind";
  Deno.test(`an abort ends a ${how} relay whose mail server takes nothing`, async () => {
    await withBench({ upstreamPair: { capacity: 10 }, settings: { smtp_guard } }, async (bench) => {
      await bench.relaying();
      await bench.client.send("x".repeat(40_000));
      await bench.client.send("y".repeat(40_000));
      bench.interrupt("abort");
      assert.equal(await bench.outcome(), "shutdown");
    });
  });
}

Deno.test("a client that is greeted and says nothing has no more time than the whole session", async () => {
  await withBench({ settings: { timeout: 60_000, session_timeout: 5_000 } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.clock.armedFor(5_000);
    bench.clock.advance(5_000);
    assert.equal(await bench.client.rest(), TIMEOUT);
    assert.equal(await bench.outcome(), "timeout");
  });
});

for (const compat of ["off", "nginx"] as const) {
  const [renewed, leftMs] = compat === "nginx" ? ["renews", 60_000] : ["does not renew", 38_000];
  Deno.test(`a login that fails ${renewed} the time of the session with compat: ${compat}`, async () => {
    const settings = { compat, timeout: 60_000, session_timeout: 90_000 };
    await withBench({ settings }, async (bench) => {
      await ask(bench);
      const { answer } = await bench.asked();
      bench.clock.advance(50_000);
      answer(refused({ waitMs: 2_000 }));
      await bench.clock.armedFor(2_000);
      bench.clock.advance(2_000);
      await bench.client.expect("535 5.7.0 Bad creds\r\n");
      await bench.clock.armedFor(leftMs);
    });
  });
}

Deno.test("a client that does not take the 235 is given up after timeout", async () => {
  await withBench({ pair: { capacity: GREETING.length }, settings: { timeout: 9_000 } }, async (bench) => {
    await bench.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    (await bench.asked()).answer(accepted());
    const upstream = await bench.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    bench.clock.advance(1_000);
    await upstream.send("250 hi\r\n");
    await bench.clock.armedFor(9_000);
    bench.clock.advance(9_000);
    assert.equal(await bench.outcome(), "relay_timeout");
    await upstream.expectEnd();
  });
});

function allOfIpv4() {
  return { kind: "ip", address: new Uint8Array(4), prefix: 0 } as const;
}

Deno.test("a session that is ended while it says what comes before a login does not ask for the login", async () => {
  await withBench({}, async (bench) => {
    await bench.client.expect(GREETING);
    const { near } = bench;
    const write = near.write.bind(near);
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: goOn, resolve: release } = Promise.withResolvers<void>();
    near.write = async (bytes) => {
      begin();
      await write(bytes);
      await goOn;
    };
    await bench.client.send(`NOOP\r\nAUTH PLAIN ${btoa("\0user\0secret")}\r\n`);
    await begun;
    bench.interrupt("abort");
    release();
    assert.equal(await bench.outcome(), "shutdown");
  });
});

/** Counts whose verdict on a login comes when the test says it. */
function slowVerdicts(): { store: LimitStore; asked: Promise<void>; decide(verdict: LoginVerdict): void } {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: verdict, resolve: decide } = Promise.withResolvers<LoginVerdict>();
  const store: LimitStore = {
    admit: () => Promise.resolve(null),
    release() {},
    loginAllowed() {
      ask();
      return verdict;
    },
    loginFailed: () => Promise.resolve([]),
    loginSucceeded() {},
    close: () => Promise.resolve(),
  };
  return { store, asked, decide };
}

const FAILED_LOGINS = {
  by: "client",
  zone: "",
  delay: 1,
  refuse: null,
  ban: null,
  forget: 1,
  ban_time: 1,
  ban_max: 1,
} as const;

for (
  const [when, delayMs] of [["is asked whether a login may be tried", 0], [
    "waits after failed ones",
    7_000,
  ]] as const
) {
  Deno.test(`a session that ${when} and is ended asks nobody for the login`, async () => {
    const { store, asked, decide } = slowVerdicts();
    await withBench({ limits: store, settings: { limit_login: [FAILED_LOGINS] } }, async (bench) => {
      await ask(bench);
      await asked;
      if (delayMs > 0) {
        decide({ kind: "pass", delayMs, index: 0 });
        await bench.clock.armedFor(delayMs);
      }
      bench.interrupt("abort");
      decide({ kind: "pass", delayMs: 7_000, index: 0 });
      assert.equal(await bench.outcome(), "shutdown");
    });
  });
}
