import assert from "node:assert/strict";
import { HttpBackend, type HttpBackendOptions } from "../../../src/auth/http_backend.ts";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";
import type { AuthAnswer } from "../../../src/ports/auth_backend.ts";
import type { SocketAddress } from "../../../src/ports/transport.ts";
import { within } from "../../support/patience.ts";
import { PeerServer } from "../../support/peer_server.ts";
import { ReservedPort } from "../../support/reserved_port.ts";
import {
  accepted,
  type CalloutAnswer,
  type CalloutRequest,
  httpAnswer,
  never,
  refused,
  ScriptedCallout,
} from "../../support/scripted_callout.ts";
import { withTempDir } from "../../support/temp_dir.ts";
import { ManualClock } from "./manual_clock.ts";
import { question } from "./questions.ts";
import { WatchedDialer } from "./watched_dialer.ts";

const unending = new AbortController().signal;

/** A service, and a backend that asks it. */
interface Scene {
  readonly backend: HttpBackend;
  readonly service: ScriptedCallout;
  readonly clock: ManualClock;
  readonly dialer: WatchedDialer;
  ask(signal?: AbortSignal): Promise<AuthAnswer>;
}

function makeBackend(
  address: SocketAddress,
  options: Partial<HttpBackendOptions> = {},
): Pick<Scene, "backend" | "clock" | "dialer" | "ask"> {
  const clock = new ManualClock();
  const dialer = new WatchedDialer();
  const backend = new HttpBackend({
    target: { scheme: "http", address, host: "127.0.0.1", uri: "/auth" },
    timeoutMs: 5000,
    keepAlive: 4,
    headers: [],
    sendCertificateFacts: false,
    passClientCertificate: false,
    ssl: { verify: true, name: null, trustedCertificates: null },
    dialer,
    clock,
    ...options,
  });
  const ask = (signal = unending) =>
    within(backend.ask(question(), signal), () => "the backend does not answer a question");
  return { backend, clock, dialer, ask };
}

/** Runs `body` with a service that follows `script`; checks that nothing of ours is left over at the end. */
async function withService(
  script: (request: CalloutRequest) => CalloutAnswer | Promise<CalloutAnswer>,
  body: (scene: Scene) => Promise<void>,
  options: Partial<HttpBackendOptions> = {},
): Promise<void> {
  await using service = new ScriptedCallout(script);
  const made = makeBackend({ kind: "tcp", host: "127.0.0.1", port: service.port }, options);
  try {
    await body({ ...made, service });
  } finally {
    made.backend.close();
  }
  await within(Promise.all(made.dialer.closings), () => "a connection stays open after close()");
  assert.equal(made.clock.armed, 0);
}

const target = { kind: "tcp", host: "127.0.0.1", port: 2525 };

function assertFailed(answer: AuthAnswer, code: string, reason = /expected/): void {
  assert.equal(answer.kind, "failed", JSON.stringify(answer));
  assert.equal(answer.code, code, answer.reason);
  assert.match(answer.reason, reason);
  assert.doesNotMatch(answer.reason, /hunter2|jane/);
}

Deno.test("HttpBackend asks on one connection, with nginx's headers, as long as the service keeps it", async () => {
  await withService(
    (request) => accepted(2525, `Auth-User: u${request.connection}`),
    async ({ ask, service }) => {
      for (let turn = 0; turn < 3; turn++) {
        const answer = await ask();
        assert.deepEqual(answer.kind === "accepted" && answer.upstreams, [target]);
        assert.equal(answer.kind === "accepted" && answer.user, "u0");
      }
      assert.equal(service.requests.length, 3);
      assert.ok(
        service.requests[0]!.raw.startsWith(
          "GET /auth HTTP/1.1\r\nHost: 127.0.0.1\r\nAuth-Method: plain\r\n",
        ),
      );
      assert.equal(service.requests[2]!.raw, service.requests[0]!.raw);
    },
  );
});

Deno.test("HttpBackend asks with HTTP/1.0 on a connection of its own when none are kept", async () => {
  await withService((request) => refused(`c${request.connection}`), async ({ ask, service }) => {
    for (let turn = 0; turn < 2; turn++) {
      const answer = await ask();
      assert.equal(answer.kind === "refused" && answer.text, `c${turn}`);
    }
    assert.ok(service.requests[0]!.raw.startsWith("GET /auth HTTP/1.0\r\n"));
  }, { keepAlive: 0 });
});

Deno.test("HttpBackend keeps no more idle connections than it may", async () => {
  const together = Promise.withResolvers<void>();
  let come = 0;
  await withService(async () => {
    if (++come === 3) together.resolve();
    await together.promise;
    return accepted(2525);
  }, async ({ ask, dialer }) => {
    await Promise.all([ask(), ask(), ask()]);
    await within(
      Promise.race(
        dialer.closings.map((_, at) => Promise.all(dialer.closings.filter((_, other) => other !== at))),
      ),
      () => "two of three connections are closed",
    );
    await ask();
    assert.equal(dialer.closings.length, 3);
  }, { keepAlive: 1 });
});

Deno.test("HttpBackend drops an idle connection that the service closes", async () => {
  await withService(
    (request) => request.connection === 0 ? { raw: accepted(2525), close: true } : accepted(2526),
    async ({ ask, dialer, clock }) => {
      await ask();
      await within(dialer.closings[0]!, () => "the closed connection is dropped");
      assert.equal(clock.armed, 0);
      assert.equal((await ask()).kind, "accepted");
    },
  );
});

Deno.test("HttpBackend asks again on a new connection when a kept one ends before any octet", async () => {
  const answers: CalloutAnswer[] = [accepted(2525), { raw: "", close: true }, accepted(2525)];
  await withService(() => answers.shift()!, async ({ ask, service }) => {
    await ask();
    assert.equal((await ask()).kind, "accepted");
    assert.deepEqual(service.requests.map((request) => request.connection), [0, 0, 1]);
  });
});

Deno.test("HttpBackend does not ask again when a kept connection ends within the response", async () => {
  const answers: CalloutAnswer[] = [accepted(2525), { raw: "HTTP/1.1 2", close: true }];
  await withService(() => answers.shift()!, async ({ ask, service }) => {
    await ask();
    assertFailed(await ask(), "closed", /10 octets/);
    assert.equal(service.requests.length, 2);
  });
});

Deno.test("HttpBackend does not ask again when a new connection ends without a response", async () => {
  await withService(() => ({ raw: "", close: true }), async ({ ask, service }) => {
    assertFailed(await ask(), "closed", /got nothing/);
    assert.equal(service.requests.length, 1);
  });
});

Deno.test("HttpBackend does not use a connection again on which octets follow the response", async () => {
  await withService(
    (request) => accepted(2525, `Auth-User: u${request.connection}`) + accepted(1),
    async ({ ask }) => {
      for (let turn = 0; turn < 2; turn++) {
        const answer = await ask();
        assert.equal(answer.kind === "accepted" && answer.user, `u${turn}`);
      }
    },
  );
});

Deno.test("HttpBackend closes an idle connection on which the service speaks unasked", async () => {
  const speak = Promise.withResolvers<void>();
  await using peer = new PeerServer(async (stream) => {
    await stream.read();
    await stream.write(encodeLatin1(accepted(2525)));
    await speak.promise;
    await stream.write(encodeLatin1(accepted(1)));
    await stream.read();
  });
  const { backend, ask, dialer } = makeBackend({ kind: "tcp", host: "127.0.0.1", port: peer.port });
  assert.equal((await ask()).kind, "accepted");
  speak.resolve();
  await within(dialer.closings[0]!, () => "the connection is closed");
  backend.close();
});

Deno.test("HttpBackend answers before the body has come, and uses the connection again after it", async () => {
  const body = Promise.withResolvers<void>();
  await using peer = new PeerServer(async (stream) => {
    const send = (text: string) => stream.write(encodeLatin1(text));
    await stream.read();
    await send("HTTP/1.1 200 OK\r\nAuth-Status: no\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    await body.promise;
    await send("c\r\n0\r\n\r\n");
    while (await stream.read() !== null) await send(refused("yes"));
  });
  const { backend, ask, clock, dialer } = makeBackend({ kind: "tcp", host: "127.0.0.1", port: peer.port });
  const first = await ask();
  assert.equal(first.kind === "refused" && first.text, "no");
  body.resolve();
  await clock.armedFor(60_000);
  const second = await ask();
  assert.equal(second.kind === "refused" && second.text, "yes");
  assert.equal(dialer.closings.length, 1);
  backend.close();
});

Deno.test("HttpBackend does not wait for a body longer than 5 seconds", async () => {
  const raw = refused("no").replace("Content-Length: 0", "Content-Length: 3") + "ab";
  await withService(() => raw, async ({ ask, clock, dialer }) => {
    assert.equal((await ask()).kind, "refused");
    clock.advance(4999);
    assert.equal(clock.armed, 1);
    clock.advance(1);
    await within(dialer.closings[0]!, () => "the connection is closed");
  });
});

Deno.test("HttpBackend closes a connection that was idle for 60 seconds", async () => {
  await withService(() => accepted(2525), async ({ ask, dialer, clock }) => {
    await ask();
    clock.advance(59_999);
    assert.equal(clock.armed, 1);
    clock.advance(1);
    await within(dialer.closings[0]!, () => "the idle connection is closed");
    assert.equal((await ask()).kind, "accepted");
    assert.equal(dialer.closings.length, 2);
  });
});

Deno.test("HttpBackend gives up after its timeout and closes the connection", async () => {
  const asked = Promise.withResolvers<void>();
  await withService((request) => {
    asked.resolve();
    return never(request);
  }, async ({ ask, dialer, clock }) => {
    const answer = ask();
    await within(asked.promise, () => "the request arrives");
    clock.advance(4999);
    assert.equal(clock.armed, 1);
    clock.advance(1);
    assertFailed(await answer, "timeout", /within 5000 ms/);
    await within(dialer.closings[0]!, () => "the connection is closed");
  });
});

Deno.test("HttpBackend gives up when the head is not complete in time, however many octets come", async () => {
  const started = Promise.withResolvers<void>();
  await using peer = new PeerServer(async (stream) => {
    await stream.read();
    await stream.write(encodeLatin1("HTTP/1.1 200 OK\r\nAuth-Status: OK\r\n"));
    started.resolve();
    await stream.read();
  });
  const { backend, ask, clock } = makeBackend({ kind: "tcp", host: "127.0.0.1", port: peer.port });
  const answer = ask();
  await within(started.promise, () => "the service answers");
  clock.advance(5000);
  assertFailed(await answer, "timeout");
  backend.close();
});

Deno.test("HttpBackend answers aborted as soon as the session ends", async () => {
  const session = new AbortController();
  await withService((request) => {
    session.abort();
    return never(request);
  }, async ({ ask, service }) => {
    assertFailed(await ask(session.signal), "aborted");
    assertFailed(await ask(session.signal), "aborted");
    assert.equal(service.requests.length, 1);
  });
});

Deno.test("HttpBackend fails with connect where nothing listens", async () => {
  using nobody = await ReservedPort.take();
  const { port } = nobody;
  const { backend, ask } = makeBackend({ kind: "tcp", host: "127.0.0.1", port });
  assertFailed(await ask(), "connect", new RegExp(`connection to the auth service, got: .*${port}.*refused`));
  backend.close();
});

Deno.test("HttpBackend repeats the same request after each WAIT, on the same connection", async () => {
  const wait = httpAnswer("Auth-Status: WAIT", "Auth-Wait: 3");
  const answers = [wait, wait, accepted(2525)];
  await withService(() => answers.shift()!, async ({ ask, service, clock }) => {
    const answer = ask();
    for (let turn = 0; turn < 2; turn++) {
      await clock.armedFor(3000);
      clock.advance(3000);
    }
    assert.equal((await answer).kind, "accepted");
    assert.equal(new Set(service.requests.map((request) => request.raw)).size, 1);
    assert.deepEqual(service.requests.map((request) => request.connection), [0, 0, 0]);
  });
});

Deno.test("HttpBackend sends each question's own credentials, whoever asked before and asks meanwhile", async () => {
  const wait = httpAnswer("Auth-Status: WAIT", "Auth-Wait: 3");
  const script = ({ raw }: CalloutRequest) => {
    const login = /Auth-User: (\w*)\r\nAuth-Pass: (\w*)\r\n/.exec(raw)!;
    if (login[1] === "patient" && ++patience === 1) return wait;
    if (login[1] === "lost") return { raw: "", close: true } as const;
    return accepted(2525, `Auth-User: ${login[1]}`, `Auth-Pass: ${login[2]}`);
  };
  let patience = 0;
  await withService(script, async ({ backend, clock, service }) => {
    const askAs = async (user: string, secret: string) => {
      const answer = await within(backend.ask(question({ user, secret }), unending), () => "no answer");
      return answer.kind === "accepted" ? [answer.user, answer.secret] : answer.kind;
    };
    const long = "s".repeat(5000);
    assert.deepEqual(await askAs("jane", long), ["jane", long]);
    const patient = askAs("patient", "hunter2");
    await clock.armedFor(3000);
    assert.deepEqual(await askAs("bob", "b"), ["bob", "b"]);
    assert.equal(await askAs("lost", "x".repeat(300)), "failed");
    const users = Array.from({ length: 40 }, (_, at) => [`u${at}`, "p".repeat(1 + at * 10)] as const);
    assert.deepEqual(await Promise.all(users.map(([user, secret]) => askAs(user, secret))), users);
    clock.advance(3000);
    assert.deepEqual(await patient, ["patient", "hunter2"]);
    const lengths = service.requests.map(({ raw }) => raw.length);
    assert.deepEqual(await askAs("", ""), ["", ""]);
    assert.ok(
      service.requests.at(-1)!.raw.length < Math.min(...lengths),
      "nothing of a longer request is left",
    );
  });
});

Deno.test("HttpBackend fails with wait after 20 repetitions", async () => {
  await withService(
    () => httpAnswer("Auth-Status: WAIT", "Auth-Wait: 1"),
    async ({ ask, service, clock }) => {
      const answer = ask();
      for (let turn = 0; turn < 20; turn++) {
        await clock.armedFor(1000);
        clock.advance(1000);
      }
      assertFailed(await answer, "wait", /20/);
      assert.equal(service.requests.length, 21);
    },
  );
});

Deno.test("HttpBackend answers aborted when the session ends while it waits", async () => {
  const session = new AbortController();
  await withService(
    () => httpAnswer("Auth-Status: WAIT", "Auth-Wait: 1"),
    async ({ ask, service, clock }) => {
      const answer = ask(session.signal);
      await clock.armedFor(1000);
      session.abort();
      assertFailed(await answer, "aborted");
      assert.equal(service.requests.length, 1);
    },
  );
});

const nonsense = [
  { name: "another protocol", raw: "220 mx.test ESMTP\r\n", code: "invalid_response" },
  { name: "headers at once", raw: "Auth-Status: OK\r\nAuth-Pass: hunter2\r\n\r\n", code: "invalid_response" },
  { name: "a broken header", raw: "HTTP/1.1 200 OK\r\nhunter2 jane\r\n\r\n", code: "invalid_header" },
  { name: "a head without end", raw: "HTTP/1.1 200 OK\r\nX: " + "x".repeat(70_000), code: "too_large" },
  { name: "status 502 with good headers", raw: accepted(25).replace("200 OK", "502 Bad"), code: "status" },
  { name: "no Auth-Status", raw: httpAnswer(), code: "no_status" },
  { name: "no server", raw: httpAnswer("Auth-Status: OK", "Auth-Pass: hunter2"), code: "no_server" },
  { name: "a bad server", raw: httpAnswer("Auth-Status: OK", "Auth-Server: a b"), code: "invalid_server" },
  { name: "an unknown choice", raw: accepted(25, "Auth-Upstream-TLS: yes"), code: "invalid_choice" },
];
for (const { name, raw, code } of nonsense) {
  Deno.test(`HttpBackend fails with ${code} at ${name}`, async () => {
    await withService(() => ({ raw, close: true }), async ({ ask }) => assertFailed(await ask(), code));
  });
}

Deno.test("HttpBackend takes an interim response and a large head before the answer", async () => {
  const raw = "HTTP/1.1 100 Continue\r\n\r\n" + accepted(2525, `X-Large: ${"x".repeat(30_000)}`);
  await withService(() => raw, async ({ ask, service }) => {
    assert.equal((await ask()).kind, "accepted");
    assert.equal((await ask()).kind, "accepted");
    assert.equal(service.requests[1]?.connection, 0);
  });
});

Deno.test("HttpBackend asks over a Unix socket", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/auth.sock`;
    await using service = new ScriptedCallout(() => accepted(2525), { path });
    const { backend, ask } = makeBackend({ kind: "unix", path });
    assert.equal((await ask()).kind, "accepted");
    assert.equal((await ask()).kind, "accepted");
    assert.equal(service.requests[1]?.connection, 0);
    backend.close();
  });
});

Deno.test("HttpBackend.close() lets a question under way finish and keeps nothing", async () => {
  const asked = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  await withService(async () => {
    asked.resolve();
    await closed.promise;
    return accepted(2525);
  }, async ({ ask, backend, dialer }) => {
    const answer = ask();
    await within(asked.promise, () => "the request arrives");
    backend.close();
    closed.resolve();
    assert.equal((await answer).kind, "accepted");
    await within(dialer.closings[0]!, () => "the connection is closed");
  });
});
