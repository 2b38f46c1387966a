import assert from "node:assert/strict";
import type { AuthAnswer } from "../../../src/ports/auth_backend.ts";
import type { SocketAddress } from "../../../src/ports/transport.ts";
import { accepted, type Bench, type BenchOptions, withBench } from "./bench.ts";
import type { Peer } from "./peer.ts";

const GREETING = "220 mx.test ESMTP ready\r\n";
const INTERNAL_ERROR = "451 4.3.2 Internal server error\r\n";
const LOGIN = btoa("\0ada\0secret");
const AUTH: BenchOptions["settings"] = { proxy_smtp_auth: true, proxy_smtp_auth_plaintext: true };

function tcp(host: string): SocketAddress {
  return { kind: "tcp", host, port: 25 };
}

function at(first: string, ...others: string[]): AuthAnswer {
  return accepted({ upstreams: [tcp(first), ...others.map(tcp)] });
}

/** Brings a session to its mail servers. */
async function login(bench: Bench, answer: AuthAnswer): Promise<void> {
  await bench.client.expect(GREETING);
  await bench.client.send(`AUTH PLAIN ${LOGIN}\r\n`);
  (await bench.asked()).answer(answer);
}

/** A mail server that lets the client in. */
async function letIn(bench: Bench): Promise<void> {
  const upstream = await bench.upstream();
  await upstream.send("220 hi\r\n");
  await upstream.expect("EHLO mx.test\r\n");
  if (!bench.settings.proxy_smtp_auth) return await upstream.send("250 hi\r\n");
  await upstream.send("250-hi\r\n250 AUTH PLAIN\r\n");
  await upstream.expect(`AUTH PLAIN ${LOGIN}\r\n`);
  await upstream.send("235 ok\r\n");
}

async function untilAuth(upstream: Peer): Promise<void> {
  await upstream.send("220 hi\r\n");
  await upstream.expect("EHLO mx.test\r\n");
  await upstream.send("250-hi\r\n250 AUTH PLAIN\r\n");
  await upstream.expect(`AUTH PLAIN ${LOGIN}\r\n`);
}

interface Failing {
  readonly name: string;
  readonly settings?: BenchOptions["settings"];
  /** The first server; null where nobody listens. */
  readonly server: ((upstream: Peer, bench: Bench) => Promise<unknown>) | null;
  readonly code: string;
  readonly rests: boolean;
}

const FAILING: readonly Failing[] = [
  { name: "is not there", server: null, code: "refused", rests: true },
  {
    name: "closes before its greeting",
    server: (up) => up.transport.closeWrite(),
    code: "closed",
    rests: true,
  },
  {
    name: "resets before its greeting",
    server: (up) => Promise.resolve(up.transport.cut()),
    code: "reset",
    rests: true,
  },
  { name: "greets with 421", server: (up) => up.send("421 later\r\n"), code: "refused", rests: true },
  {
    name: "does not greet",
    settings: { timeout: 8_000 },
    server: async (_up, bench) => {
      await bench.clock.armedFor(8_000);
      bench.clock.advance(8_000);
    },
    code: "timeout",
    rests: true,
  },
  {
    name: "closes instead of an answer to AUTH",
    settings: AUTH,
    server: async (up) => {
      await untilAuth(up);
      await up.transport.closeWrite();
    },
    code: "closed",
    rests: false,
  },
  {
    name: "cannot check the password now",
    settings: AUTH,
    server: async (up) => {
      await untilAuth(up);
      await up.send("454 4.7.0 Temporary authentication failure\r\n");
    },
    code: "refused",
    rests: false,
  },
];

for (const { name, settings, server, code, rests } of FAILING) {
  Deno.test(`after a mail server that ${name} the next one is tried: ${code}`, async () => {
    const nobodyAt = server === null ? ["192.0.2.1"] : [];
    await withBench({ settings: { ...settings }, nobodyAt }, async (bench) => {
      await login(bench, at("192.0.2.1", "192.0.2.2"));
      if (server !== null) await server(await bench.upstream(), bench);
      await letIn(bench);
      await bench.client.expect("235 2.0.0 OK\r\n");
      assert.deepEqual(bench.dialledTo, ["192.0.2.1", "192.0.2.2"]);
      assert.equal(bench.counted.filter((line) => line.startsWith("count upstream_failovers ")).length, 1);
      const failover = bench.log.find(({ event }) => event === "upstream_failover");
      assert.match(failover!.text, new RegExp(`"upstream":"192.0.2.1:25".*"code":"${code}"`));
      assert.equal(bench.health.rests(tcp("192.0.2.1")), rests);
      assert.equal(bench.events().includes("upstream_resting"), rests);
      assert.equal(bench.events().includes("upstream_failed"), false);
    });
  });
}

const DECIDING: readonly Failing[] = [
  {
    name: "refuses the credentials",
    settings: AUTH,
    server: async (up) => {
      await untilAuth(up);
      await up.send("535 5.7.8 no\r\n");
    },
    code: "refused",
    rests: false,
  },
  {
    name: "answers AUTH with what is no reply",
    settings: AUTH,
    server: async (up) => {
      await untilAuth(up);
      await up.send("what?\r\n");
    },
    code: "malformed",
    rests: false,
  },
  {
    name: "fails while no other is to be tried",
    settings: { proxy_next_upstream: false },
    server: (up) => up.send("421 later\r\n"),
    code: "refused",
    rests: true,
  },
  {
    name: "fails in the last try that is allowed",
    settings: { proxy_next_upstream_tries: 1 },
    server: (up) => up.send("421 later\r\n"),
    code: "refused",
    rests: true,
  },
  {
    name: "fails when the time for tries is over",
    settings: { proxy_next_upstream_timeout: 3_000 },
    server: async (up, bench) => {
      bench.clock.advance(3_000);
      await up.send("421 later\r\n");
    },
    code: "refused",
    rests: true,
  },
];

for (const { name, settings, server, code, rests } of DECIDING) {
  Deno.test(`after a mail server that ${name} no other is tried`, async () => {
    await withBench({ settings: { ...settings } }, async (bench) => {
      await login(bench, at("192.0.2.1", "192.0.2.2"));
      await server!(await bench.upstream(), bench);
      await bench.client.expect(INTERNAL_ERROR);
      await bench.client.expectEnd();
      bench.client.transport.close();
      assert.equal(await bench.outcome(), "upstream_failed");
      assert.deepEqual(bench.dialledTo, ["192.0.2.1"]);
      assert.match(
        bench.log.find(({ event }) => event === "upstream_failed")!.text,
        new RegExp(`"code":"${code}"`),
      );
      assert.equal(bench.events().includes("upstream_failover"), false);
      assert.equal(bench.health.rests(tcp("192.0.2.1")), rests);
    });
  });
}

Deno.test("without a login MAIL and RCPT are said again to the next mail server, and its answer counts", async () => {
  await withBench({ settings: { smtp_auth: ["none"] } }, async (bench) => {
    await bench.client.expect(GREETING);
    await bench.client.send("HELO a\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\n");
    await bench.client.expect("250 mx.test\r\n250 2.0.0 OK\r\n");
    (await bench.asked()).answer(at("192.0.2.1", "192.0.2.2"));
    for (const last of [false, true]) {
      const upstream = await bench.upstream();
      await upstream.send("220 hi\r\n");
      await upstream.expect("EHLO mx.test\r\n");
      await upstream.send("250 hi\r\n");
      await upstream.expect("MAIL FROM:<a>\r\n");
      await upstream.send("250 ok\r\n");
      await upstream.expect("RCPT TO:<b>\r\n");
      if (last) await upstream.send("250 second\r\n");
      else await upstream.transport.closeWrite();
    }
    await bench.client.expect("250 second\r\n");
  });
});

Deno.test("when all mail servers fail the client hears of the last one", async () => {
  const nobodyAt = ["192.0.2.1", "192.0.2.2"];
  await withBench({ nobodyAt, settings: { proxy_pass_error_message: true } }, async (bench) => {
    await login(bench, at("192.0.2.1", "192.0.2.2", "192.0.2.3"));
    await (await bench.upstream()).send("421 4.3.2 too busy\r\n");
    await bench.client.expect("421 4.3.2 too busy\r\n");
    await bench.client.expectEnd();
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "upstream_failed");
    assert.deepEqual(bench.events().filter((event) => /fail/.test(event)), [
      "upstream_failover",
      "upstream_failover",
      "upstream_failed",
    ]);
  });
});

Deno.test("a mail server that failed lately comes after the others", async () => {
  await withBench({ resting: [tcp("192.0.2.1")], nobodyAt: ["192.0.2.2"] }, async (bench) => {
    await login(bench, at("192.0.2.1", "192.0.2.2"));
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.deepEqual(bench.dialledTo, ["192.0.2.2", "192.0.2.1"]);
    assert.equal(bench.health.rests(tcp("192.0.2.1")), false);
    assert.equal(bench.events().includes("upstream_back"), true);
  });
});

Deno.test("a mail server rests for proxy_fail_timeout", async () => {
  await withBench({ resting: [tcp("192.0.2.1")] }, async (bench) => {
    bench.clock.advance(10_000);
    await login(bench, at("192.0.2.1", "192.0.2.2"));
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.deepEqual(bench.dialledTo, ["192.0.2.1"]);
  });
});

Deno.test("a mail server that has no other beside it is not left alone", async () => {
  await withBench({ nobodyAt: ["192.0.2.1"] }, async (bench) => {
    await login(bench, at("192.0.2.1"));
    await bench.client.expect(INTERNAL_ERROR);
    bench.client.transport.close();
    assert.equal(await bench.outcome(), "upstream_failed");
    assert.equal(bench.health.rests(tcp("192.0.2.1")), false);
  });
});

Deno.test("the only mail server is tried although it rests, and is good again when it works", async () => {
  await withBench({ resting: [tcp("192.0.2.1")] }, async (bench) => {
    await login(bench, at("192.0.2.1"));
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.equal(bench.health.rests(tcp("192.0.2.1")), false);
    assert.equal(bench.events().includes("upstream_back"), true);
    assert.equal(bench.counted.includes("count upstream_rests ended"), true);
  });
});

const NAMES = { "mx.pool": ["192.0.2.1", "192.0.2.2"], "mx.one": ["192.0.2.3"], "mx.own": ["127.0.0.1"] };

Deno.test("of a host name each address is tried, and then the next name", async () => {
  await withBench({ addresses: NAMES, nobodyAt: ["192.0.2.1"] }, async (bench) => {
    await login(bench, at("mx.pool", "mx.one"));
    await (await bench.upstream()).send("421 later\r\n");
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.deepEqual(bench.dialledTo, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert.equal(bench.health.rests(tcp("192.0.2.1")), true);
    assert.equal(bench.health.rests(tcp("192.0.2.2")), true);
  });
});

Deno.test("a second address greets where the first one closed", async () => {
  await withBench({ addresses: NAMES }, async (bench) => {
    await login(bench, at("mx.pool"));
    await (await bench.upstream()).transport.closeWrite();
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.deepEqual(bench.dialledTo, ["192.0.2.1", "192.0.2.2"]);
  });
});

Deno.test("a host name that is not found is no reason not to try the next one", async () => {
  await withBench({ addresses: NAMES }, async (bench) => {
    await login(bench, at("mx.nowhere", "mx.one"));
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.equal(bench.counted.includes("count upstream_failovers connect|not_found"), true);
  });
});

for (const host of ["127.0.0.1", "mx.own"]) {
  Deno.test(`a mail server that is Postern itself is not dialled: ${host}`, async () => {
    await withBench({ addresses: NAMES, own: ["127.0.0.1"] }, async (bench) => {
      await login(bench, at(host));
      await bench.client.expect(INTERNAL_ERROR);
      await bench.client.expectEnd();
      bench.client.transport.close();
      assert.equal(await bench.outcome(), "upstream_failed");
      assert.deepEqual(bench.dialledTo, []);
      const line = bench.log.find(({ event }) => event === "upstream_failed")!;
      assert.match(line.text, /"code":"own_listener"/);
      assert.equal(
        line.message,
        `upstream ${host}:25 is a listener of this Postern, mail to it would go round in circles`,
      );
    });
  });
}

Deno.test("beside Postern itself the other mail servers are tried", async () => {
  await withBench({ own: ["127.0.0.1"] }, async (bench) => {
    await login(bench, at("127.0.0.1", "192.0.2.2"));
    await letIn(bench);
    await bench.client.expect("235 2.0.0 OK\r\n");
    assert.deepEqual(bench.dialledTo, ["192.0.2.2"]);
  });
});
