import assert from "node:assert/strict";
import { AuthCache, type AuthCacheOptions } from "../../../src/auth/auth_cache.ts";
import type { AuthAnswer, AuthQuestion } from "../../../src/ports/auth_backend.ts";
import type { EndSignal } from "../../../src/ports/end_signal.ts";
import { ManualClock } from "./manual_clock.ts";
import { peerCertificate, question, tlsFacts } from "./questions.ts";

const unending = new AbortController().signal;

type Accepted = Extract<AuthAnswer, { kind: "accepted" }>;
type Refused = Extract<AuthAnswer, { kind: "refused" }>;

function yes(changes: Partial<Accepted> = {}): AuthAnswer {
  return {
    kind: "accepted",
    upstreams: [{ kind: "tcp", host: "192.0.2.1", port: 25 }],
    user: null,
    secret: null,
    choices: { tls: null, auth: null, xclient: null, proxyProtocol: null },
    ...changes,
  };
}

function no(changes: Partial<Refused> = {}): AuthAnswer {
  return { kind: "refused", text: "no", code: null, waitMs: 2_000, saslChallenge: null, ...changes };
}

/** A cache before a service that counts. */
class Scene {
  readonly clock = new ManualClock();
  readonly counted: string[] = [];
  readonly questions: AuthQuestion[] = [];
  readonly cache: AuthCache;
  answer: (question: AuthQuestion, signal: EndSignal) => AuthAnswer | Promise<AuthAnswer> = () => yes();
  closed = 0;

  constructor(options: Partial<AuthCacheOptions> = {}) {
    this.cache = new AuthCache({
      backend: {
        ask: (asked, signal) => {
          this.questions.push(asked);
          return Promise.resolve(this.answer(asked, signal));
        },
        close: () => this.closed++,
      },
      most: 100,
      acceptedMs: 60_000,
      refusedMs: 5_000,
      clock: this.clock,
      metrics: { count: (counter, label) => void this.counted.push(`${counter} ${label}`) },
      ...options,
    });
  }

  /** How often the service has to be asked for these questions, one after the other. */
  async asks(...questions: readonly Partial<AuthQuestion>[]): Promise<number> {
    const before = this.questions.length;
    for (const each of questions) await this.cache.ask(question(each), unending);
    return this.questions.length - before;
  }
}

for (
  const [answer, lifetimeMs] of [[yes(), 60_000], [no(), 5_000], [no({ code: "550 5.7.1" }), 5_000]] as const
) {
  Deno.test(`AuthCache keeps an answer for its time: ${answer.kind} ${JSON.stringify(answer)}`, async () => {
    const scene = new Scene();
    scene.answer = () => answer;
    assert.deepEqual(await scene.cache.ask(question(), unending), answer);
    scene.clock.advance(lifetimeMs - 1);
    assert.deepEqual(await scene.cache.ask(question(), unending), answer);
    assert.equal(scene.questions.length, 1);
    scene.clock.advance(1);
    assert.equal(await scene.asks({}), 1);
    assert.deepEqual(scene.counted, [
      "auth_cache miss",
      `auth_cache hit_${answer.kind}`,
      "auth_cache miss",
    ]);
  });
}

const FLEETING: readonly (readonly [string, AuthAnswer])[] = [
  ["a failure", { kind: "failed", code: "timeout", reason: "expected an answer, got none" }],
  ["a temporary refusal", no({ code: "454 4.7.0" })],
  ["a refusal with a huge challenge", no({ saslChallenge: "A".repeat(2_000) })],
];
for (const [name, answer] of FLEETING) {
  Deno.test(`AuthCache does not keep ${name}`, async () => {
    const scene = new Scene();
    scene.answer = () => answer;
    assert.equal(await scene.asks({}, {}), 2);
  });
}

Deno.test("AuthCache asks about every CRAM-MD5 digest", async () => {
  const scene = new Scene();
  const cram = { method: "cram-md5", salt: "<1.2@mx.test>" } as const;
  assert.equal(await scene.asks(cram, cram), 2);
  assert.deepEqual(scene.counted, ["auth_cache bypass", "auth_cache bypass"]);
});

const FIRST = question({
  proxyProtocol: { source: { host: "192.0.2.7", port: 1 }, destination: { host: "192.0.2.8", port: 25 } },
  envelope: { helo: "a", mail: "MAIL FROM:<a>", rcpt: "RCPT TO:<b>" },
  tls: tlsFacts({ peer: peerCertificate, verdict: { kind: "success" }, serverName: "mx.test" }),
});
const { tls: TLS, proxyProtocol: PROXY, envelope: ENVELOPE } = FIRST;
const OTHER: readonly (readonly [string, Partial<AuthQuestion>])[] = [
  ["method", { method: "xoauth2" }],
  ["user", { user: "june" }],
  ["secret", { secret: "hunter3" }],
  ["secret, with the user's end before it", { user: "jan", secret: "ehunter2" }],
  ["attempt", { attempt: 2 }],
  ["client's address", { client: { host: "192.0.2.9", port: 40025 } }],
  ["client's name", { clientHost: "[UNAVAILABLE]" }],
  ["listener's address", { server: { kind: "tcp", host: "198.51.100.2", port: 587 } }],
  ["listener's port", { server: { kind: "tcp", host: "198.51.100.1", port: 465 } }],
  ["PROXY source", { proxyProtocol: { ...PROXY!, source: { host: "192.0.2.6", port: 1 } } }],
  ["PROXY destination", { proxyProtocol: { ...PROXY!, destination: { host: "192.0.2.8", port: 26 } } }],
  ["PROXY header's absence", { proxyProtocol: null }],
  ["HELO", { envelope: { ...ENVELOPE!, helo: "b" } }],
  ["MAIL", { envelope: { ...ENVELOPE!, mail: "MAIL FROM:<c>" } }],
  ["RCPT", { envelope: { ...ENVELOPE!, rcpt: "RCPT TO:<c>" } }],
  ["absence of TLS", { tls: null }],
  ["version of TLS", { tls: { ...TLS!, protocol: "TLSv1.2" } }],
  ["SNI", { tls: { ...TLS!, serverName: "other.test" } }],
  ["verdict", { tls: { ...TLS!, verdict: { kind: "failed", reason: "x", untrustedIssuer: true } } }],
  ["certificate", { tls: { ...TLS!, peer: { ...peerCertificate, pem: "another" } } }],
];
for (const [name, changes] of OTHER) {
  Deno.test(`AuthCache does not take a question with another ${name} for the same`, async () => {
    assert.equal(await new Scene().asks(FIRST, { ...FIRST, ...changes }), 2);
  });
}

Deno.test("AuthCache takes another connection of the same client for the same", async () => {
  const again = {
    ...FIRST,
    sessionId: "another",
    client: { host: FIRST.client.host, port: 1 },
    proxyProtocol: { ...PROXY!, source: { host: "192.0.2.7", port: 2 } },
  };
  assert.equal(await new Scene().asks(FIRST, again), 1);
});

Deno.test("AuthCache keeps the newest of several, and refusals apart from the accepted", async () => {
  const scene = new Scene({ most: 2 });
  scene.answer = ({ user }) => user.startsWith("bad") ? no() : yes();
  assert.equal(await scene.asks({ user: "a" }, { user: "b" }, { user: "a" }, { user: "c" }), 3);
  for (let at = 0; at < 10; at++) await scene.asks({ user: `bad${at}` });
  assert.equal(await scene.asks({ user: "a" }, { user: "c" }, { user: "bad9" }, { user: "bad8" }), 0);
  assert.equal(await scene.asks({ user: "b" }, { user: "bad0" }), 2);
  assert.equal(scene.counted.filter((line) => line === "auth_cache evicted").length, 1 + 8 + 2);
});

Deno.test("AuthCache drops what it is told to forget, and all when it is closed", async () => {
  const scene = new Scene();
  await scene.asks({}, { user: "june" });
  scene.cache.forget(question({ sessionId: "another" }));
  assert.equal(await scene.asks({ user: "june" }), 0);
  assert.equal(await scene.asks({}), 1);
  assert.equal(scene.counted.filter((line) => line === "auth_cache dropped").length, 1);
  scene.cache.close();
  assert.equal(scene.closed, 1);
  assert.equal(await scene.asks({}, { user: "june" }), 2);
});

Deno.test("AuthCache that forgets all neither keeps nor shares an answer that was asked for before", async () => {
  const scene = new Scene();
  const before = Promise.withResolvers<AuthAnswer>();
  scene.answer = () => before.promise;
  const first = scene.cache.ask(question(), unending);
  scene.cache.forgetAll();
  scene.answer = () => yes({ user: "moved" });
  assert.deepEqual(await scene.cache.ask(question(), unending), yes({ user: "moved" }));
  before.resolve(yes({ user: "old" }));
  assert.deepEqual(await first, yes({ user: "old" }));
  assert.deepEqual(await scene.cache.ask(question(), unending), yes({ user: "moved" }));
  assert.equal(scene.questions.length, 2);
});

Deno.test("AuthCache gives the password of the answer to the same question alone, and does not hold it", async () => {
  const scene = new Scene();
  scene.answer = () => yes({ user: "master", secret: "p\xe4ss" });
  await scene.asks({});
  const again = await scene.cache.ask(question(), unending);
  assert.deepEqual(again, yes({ user: "master", secret: "p\xe4ss" }));
  assert.equal(scene.questions.length, 1);
});

Deno.test("AuthCache takes no answer from the future of a clock that was set back", async () => {
  const scene = new Scene();
  await scene.asks({});
  scene.clock.advance(-1_000);
  assert.equal(await scene.asks({}), 1);
});

Deno.test("AuthCache asks once for the same question of several sessions", async () => {
  const scene = new Scene();
  const answer = Promise.withResolvers<AuthAnswer>();
  scene.answer = () => answer.promise;
  const both = [
    scene.cache.ask(question(), unending),
    scene.cache.ask(question({ sessionId: "b" }), unending),
  ];
  answer.resolve(yes());
  assert.deepEqual(await Promise.all(both), [yes(), yes()]);
  assert.equal(scene.questions.length, 1);
  assert.deepEqual(scene.counted, ["auth_cache miss", "auth_cache shared"]);
});

Deno.test("AuthCache gives a question up when the last session that waits for it ends, not before", async () => {
  const scene = new Scene();
  const answer = Promise.withResolvers<AuthAnswer>();
  const signals: EndSignal[] = [];
  scene.answer = (_question, signal) => {
    signals.push(signal);
    return answer.promise;
  };
  const [first, second] = [new AbortController(), new AbortController()];
  const asking = [first, second].map(({ signal }) => scene.cache.ask(question(), signal));
  first.abort();
  assert.equal((await asking[0]!).kind, "failed");
  assert.equal(signals[0]!.aborted, false);
  second.abort();
  assert.equal((await asking[1]!).kind, "failed");
  assert.equal(signals[0]!.aborted, true);
  // Whoever comes now does not wait for what was given up.
  const third = scene.cache.ask(question(), unending);
  assert.equal(signals.length, 2);
  answer.resolve(yes());
  assert.equal((await third).kind, "accepted");
  const late = new AbortController();
  late.abort();
  assert.equal((await scene.cache.ask(question({ user: "late" }), late.signal)).kind, "failed");
});

Deno.test("AuthCache asks anew for everybody who was let in when all is forgotten, not for who was refused", async () => {
  const scene = new Scene();
  scene.answer = ({ user }) => user === "eve" ? no() : yes();
  assert.equal(await scene.asks({ user: "ada" }, { user: "bob" }, { user: "eve" }), 3);
  scene.cache.forgetAll();
  assert.equal(await scene.asks({ user: "ada" }, { user: "bob" }, { user: "eve" }), 2);
});
