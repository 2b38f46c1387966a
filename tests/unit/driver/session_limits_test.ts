/**
 * Limits around a real connection: what the client hears, what is logged and counted, and what is given back.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { LimitSettings } from "../../../src/config/settings.ts";
import { MemoryLimitStore } from "../../../src/limits/memory_store.ts";
import type { Admission, AdmissionAnswer, LimitStore, LoginVerdict } from "../../../src/ports/limit_store.ts";
import { accepted, type Bench, type BenchOptions, refused, withBench } from "./bench.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";

type Limits = Partial<LimitSettings>;

/** A store whose time stands still, unless the test turns it on. */
class TestedLimits extends MemoryLimitStore {
  static at = 0;
  constructor() {
    super({ now: () => TestedLimits.at });
  }
}

/** Runs `body` with one more connection that counts in `store`. */
function session(
  store: LimitStore,
  limits: Limits,
  body: (bench: Bench) => Promise<void>,
  options: BenchOptions = {},
): Promise<void> {
  const settings = { limit_login: [], ...options.settings, ...limits };
  return withBench({ ...options, settings, limits: store }, body);
}

async function login(bench: Bench, password: string): Promise<void> {
  await bench.client.send(`AUTH PLAIN ${btoa(`\0ada\0${password}`)}\r\n`);
}

const TWO: Limits = { limit_conn: [{ by: "client", most: 2, zone: "" }] };

Deno.test("a client over limit_conn is told 421 once, and its place is free when another one leaves", async () => {
  const store = new TestedLimits();
  await session(store, TWO, async (first) => {
    await first.client.expect(GREETING);
    await session(store, TWO, async (second) => {
      await second.client.expect(GREETING);
      assert.equal(store.held, 2);
      await session(store, TWO, async (third) => {
        assert.equal(
          await third.client.rest(),
          "421 4.7.0 mx.test Too many connections, try again later\r\n",
        );
        third.client.transport.close();
        assert.equal(await third.outcome(), "limited");
        assert.deepEqual(third.events(), ["client_connected", "limit_hit", "session_closed"]);
        assert.ok(third.counted.includes("count limit_hits conn_client"));
      });
      assert.equal(store.held, 2);
    });
    assert.equal(store.held, 1);
    await session(store, TWO, (again) => again.client.expect(GREETING));
  });
  assert.equal(store.held, 0);
});

Deno.test("where TLS comes first, a client over a limit is closed without a handshake", async () => {
  const limits: Limits = { limit_conn: [{ by: "total", most: 1, zone: "" }] };
  const store = new TestedLimits();
  await store.admit({ bans: [], holds: [{ key: "conn total  ", most: 1 }], rates: [] });
  await session(store, limits, async (bench) => {
    assert.equal(await bench.client.rest(), "");
    assert.equal(await bench.outcome(), "limited");
    assert.ok(!bench.counted.some((line) => line.startsWith("tls ")));
  }, { ssl: true });
});

Deno.test("access denies with 554, before anything is counted", async () => {
  const store = new TestedLimits();
  const access: Limits = { ...TWO, access: [{ action: "deny", range: "all" }] };
  await session(store, access, async (bench) => {
    assert.equal(await bench.client.rest(), "554 5.7.1 mx.test Access denied\r\n");
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "denied");
    assert.deepEqual(bench.events(), ["client_connected", "access_denied", "session_closed"]);
    assert.equal(store.held, 0);
  });
});

Deno.test("behind a PROXY header, the client that it names is counted and judged", async () => {
  const store = new TestedLimits();
  const limits: Limits = {
    access: [{
      action: "deny",
      range: { kind: "ip", address: new Uint8Array([203, 0, 113, 5]), prefix: 32 },
    }],
    limit_conn: [{ by: "client", most: 1, zone: "" }],
  };
  const options: BenchOptions = {
    proxyProtocol: true,
    settings: { set_real_ip_from: [{ kind: "ip", address: new Uint8Array(4), prefix: 0 }] },
  };
  const from = (address: string, body: (bench: Bench) => Promise<void>) =>
    session(store, limits, async (bench) => {
      await bench.client.send(`PROXY TCP4 ${address} 192.0.2.1 4000 25\r\n`);
      await body(bench);
    }, options);
  await from("203.0.113.1", async (first) => {
    await first.client.expect(GREETING);
    await from("203.0.113.2", (other) => other.client.expect(GREETING));
    await from(
      "203.0.113.1",
      (same) => same.client.expect("421 4.7.0 mx.test Too many connections, try again later\r\n"),
    );
    await from("203.0.113.5", (denied) => denied.client.expect("554 5.7.1 mx.test Access denied\r\n"));
  });
});

Deno.test("a user over limit_conn is told 421 after a good login", async () => {
  const store = new TestedLimits();
  const limits: Limits = { limit_conn: [{ by: "user", most: 1, zone: "" }] };
  await session(store, limits, async (first) => {
    await first.relaying();
    assert.equal(store.held, 1);
    await session(store, limits, async (second) => {
      await second.client.expect(GREETING);
      await login(second, "secret");
      // The callout's name for the user counts, in any case of letters.
      (await second.asked()).answer(accepted({ user: "ADA" }));
      await second.client.expect("421 4.7.0 mx.test Too many connections, try again later\r\n");
      second.client.transport.close();
      assert.equal(await second.outcome(), "limited");
      assert.ok(second.counted.includes("command AUTH 421"));
    });
  });
  assert.equal(store.held, 0);
});

const WATCH: Limits = {
  limit_login: [{
    by: "client",
    delay: 1,
    refuse: 2,
    ban: 3,
    forget: 300_000,
    ban_time: 600_000,
    ban_max: 3_600_000,
    zone: "",
  }],
};

Deno.test("after failed logins the next one waits, is refused unasked, and ends in a ban", async () => {
  const store = new TestedLimits();
  await session(store, WATCH, async (bench) => {
    await bench.client.expect(GREETING);
    await login(bench, "wrong 1");
    (await bench.asked()).answer(refused({ waitMs: 1 }));
    await bench.clock.armedFor(1);
    bench.clock.advance(1);
    await bench.client.expect("535 5.7.0 Bad creds\r\n");

    await login(bench, "wrong 2");
    await bench.clock.armedFor(1_000);
    bench.clock.advance(1_000);
    (await bench.asked()).answer(refused({ waitMs: 1 }));
    await bench.clock.armedFor(1);
    bench.clock.advance(1);
    await bench.client.expect("535 5.7.0 Bad creds\r\n");

    // Refused and not asked; the same password once more changes nothing, another one begins the ban.
    await login(bench, "wrong 2");
    await bench.client.expect("454 4.7.0 Too many failed logins, try again later\r\n");
    await login(bench, "wrong 3");
    await bench.client.expect("421 4.7.0 mx.test Too many failed logins, try again later\r\n");
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "limited");
    assert.deepEqual(bench.events().filter((event) => /^(login|limit)_/.test(event)), [
      "login_delayed",
      "limit_hit",
      "login_banned",
      "limit_hit",
    ]);
    const log = bench.log.map(({ text }) => text).join("\n");
    assert.doesNotMatch(log, /wrong/);
  });
  await session(store, WATCH, async (next) => {
    assert.equal(await next.client.rest(), "421 4.7.0 mx.test Too many failed logins, try again later\r\n");
    next.client.transport.close();
    assert.equal(await next.outcome(), "limited");
  });
  TestedLimits.at += 600_000;
  await session(store, WATCH, (later) => later.client.expect(GREETING));
});

Deno.test("what the auth service cannot decide is no failed login", async () => {
  const store = new TestedLimits();
  await session(store, WATCH, async (bench) => {
    await bench.client.expect(GREETING);
    for (let turn = 0; turn < 3; turn++) {
      await login(bench, `password ${turn}`);
      (await bench.asked()).answer(refused({ code: "454 4.3.0", waitMs: 1 }));
      await bench.clock.armedFor(1);
      bench.clock.advance(1);
      await bench.client.expect("454 4.3.0 Bad creds\r\n");
    }
    assert.ok(!bench.events().includes("login_delayed"));
  });
});

Deno.test("with method none, the first recipient counts as a message and a recipient, and is refused for the time", async () => {
  const store = new TestedLimits();
  const limits: Limits = {
    limit_req: [{ what: "messages", by: "client", count: 1, per: "m", burst: 0, zone: "" }],
  };
  const options: BenchOptions = { settings: { smtp_auth: ["none"] } };
  const envelope = async (bench: Bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("MAIL FROM:<a@x.test>\r\n");
    await bench.client.expect("250 2.0.0 OK\r\n");
    await bench.client.send("RCPT TO:<b@y.test>\r\n");
  };
  await session(store, limits, async (first) => {
    await envelope(first);
    (await first.asked()).answer(refused());
    await first.client.expect("535 5.7.0 Bad creds\r\n");
  }, options);
  await session(store, limits, async (second) => {
    await envelope(second);
    await second.client.expect("450 4.7.1 Too many messages, try again later\r\n");
    // The session goes on, and so does the transaction.
    TestedLimits.at += 60_000;
    await second.client.send("RCPT TO:<b@y.test>\r\n");
    (await second.asked()).answer(refused());
    await second.client.expect("535 5.7.0 Bad creds\r\n");
  }, options);
});

Deno.test("behind a login messages count in the relay, and those beyond the limit are refused for the time", async () => {
  const limits: Limits = {
    limit_req: [{ what: "messages", by: "client", count: 1, per: "m", burst: 0, zone: "" }],
  };
  await session(new TestedLimits(), limits, async (bench) => {
    const upstream = await bench.relaying();
    const says = async (line: string, reply: string) => {
      await bench.client.send(line);
      await upstream.expect(line);
      await upstream.send(reply);
      await bench.client.expect(reply);
    };
    await says("MAIL FROM:<a@x.test>\r\n", "250 2.1.0 OK\r\n");
    await says("RCPT TO:<b@y.test>\r\n", "250 2.1.5 OK\r\n");
    await says("RSET\r\n", "250 2.0.0 OK\r\n");
    await bench.client.send("MAIL FROM:<a@x.test>\r\n");
    await bench.client.expect("450 4.7.1 Too many messages, try again later\r\n");
  });
});

/** A store that is away, where nobody is to be let in without it. */
class AwayLimits implements LimitStore {
  admit({ holds }: Admission): Promise<AdmissionAnswer> {
    return Promise.resolve(holds.length > 0 ? { over: "store" } : null);
  }
  loginAllowed = (): Promise<LoginVerdict> => Promise.resolve({ kind: "store" });
  loginFailed = () => Promise.resolve([]);
  release = () => {};
  loginSucceeded = () => {};
  close = () => Promise.resolve();
}

Deno.test("where the store is away and decides so, clients are sent away for the time", async () => {
  await session(new AwayLimits(), TWO, async (bench) => {
    assert.equal(await bench.client.rest(), "421 4.3.2 mx.test Service not available, try again later\r\n");
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "limited");
  });
  await session(new AwayLimits(), WATCH, async (bench) => {
    await bench.client.expect(GREETING);
    await login(bench, "secret");
    await bench.client.expect("421 4.3.2 mx.test Service not available, try again later\r\n");
  });
});
