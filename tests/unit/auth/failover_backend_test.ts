import assert from "node:assert/strict";
import {
  FailoverBackend,
  type FailoverOptions,
  type FailoverService,
} from "../../../src/auth/failover_backend.ts";
import type { AuthAnswer, AuthFailureCode } from "../../../src/ports/auth_backend.ts";
import { ManualClock } from "./manual_clock.ts";
import { question } from "./questions.ts";

const unending = new AbortController().signal;

const YES: AuthAnswer = {
  kind: "accepted",
  upstreams: [{ kind: "tcp", host: "192.0.2.1", port: 25 }],
  user: null,
  secret: null,
  choices: { tls: null, auth: null, xclient: null, proxyProtocol: null },
};
const NO: AuthAnswer = { kind: "refused", text: "no", code: null, waitMs: null, saslChallenge: null };

function fails(code: AuthFailureCode, got?: string): AuthAnswer {
  return {
    kind: "failed",
    code,
    reason: `expected an answer, got ${code}`,
    ...(got === undefined ? {} : { got }),
  };
}

/** Services that answer what the test says, and who was asked. */
class Scene {
  readonly clock = new ManualClock();
  readonly asked: string[] = [];
  readonly told: string[] = [];
  readonly backend: FailoverBackend;
  /** Answers by the name of the service. */
  readonly answers: Record<string, AuthAnswer | Promise<AuthAnswer>>;

  constructor(
    answers: Record<string, AuthAnswer>,
    options: Partial<FailoverOptions> = {},
    rules: Partial<FailoverService> = {},
  ) {
    this.answers = answers;
    this.backend = new FailoverBackend({
      services: Object.keys(answers).map((name) => ({
        name,
        maxFails: 1,
        failTimeoutMs: 10_000,
        backend: {
          ask: () => {
            this.asked.push(name);
            return Promise.resolve(this.answers[name]!);
          },
          close: () => this.asked.push(`closed ${name}`),
        },
        ...rules,
      })),
      nextTimeoutMs: 0,
      clock: this.clock,
      log: {
        enabled: () => true,
        event: (_level, event, message, _session, fields) => {
          assert.doesNotMatch(message + JSON.stringify(fields), /jane|hunter2/);
          this.told.push([event, fields?.["server"], fields?.["code"]].filter((part) => part).join(" "));
        },
      },
      metrics: { count: (counter, label) => void this.told.push(`${counter} ${label}`) },
      ...options,
    });
  }

  /** Asks once and says which services were asked for it. */
  async ask(signal = unending): Promise<{ answer: AuthAnswer; asked: string[] }> {
    const before = this.asked.length;
    const answer = await this.backend.ask(question(), signal);
    return { answer, asked: this.asked.slice(before) };
  }
}

function codeOf(answer: AuthAnswer): string {
  return answer.kind === "failed" ? `${answer.code} ${answer.server}` : answer.kind;
}

Deno.test("FailoverBackend asks the first service alone while it answers, yes or no", async () => {
  for (const answer of [YES, NO]) {
    const scene = new Scene({ a: answer, b: fails("connect") });
    assert.deepEqual(await scene.ask(), { answer, asked: ["a"] });
    assert.deepEqual(scene.told, []);
  }
});

const FAILURES: readonly (readonly [AuthFailureCode, string | undefined, "down" | "up"])[] = [
  ["connect", undefined, "down"],
  ["tls", undefined, "down"],
  ["timeout", undefined, "down"],
  ["closed", undefined, "down"],
  ["invalid_response", undefined, "down"],
  ["status", "503 Service Unavailable", "down"],
  ["status", "404 Not Found", "up"],
  ["no_status", undefined, "up"],
  ["invalid_server", "a b", "up"],
  ["too_large", undefined, "up"],
  ["wait", undefined, "up"],
];
for (const [code, got, state] of FAILURES) {
  const name = [code, got].filter((part) => part !== undefined).join(" ");
  Deno.test(`FailoverBackend asks the next service after ${name}, and the one before is ${state}`, async () => {
    const scene = new Scene({ a: fails(code, got), b: YES });
    assert.deepEqual(await scene.ask(), { answer: YES, asked: ["a", "b"] });
    assert.equal(scene.told.includes(`auth_failover a ${code}`), true);
    assert.equal(scene.told.includes(`callout_failovers ${code}`), true);
    assert.deepEqual((await scene.ask()).asked, state === "down" ? ["b"] : ["a", "b"]);
    assert.equal(scene.told.includes(`auth_service_down a ${code}`), state === "down");
  });
}

Deno.test("FailoverBackend tells of the last service when all fail", async () => {
  const scene = new Scene({ a: fails("connect"), b: fails("status", "500 Oops") });
  const { answer, asked } = await scene.ask();
  assert.equal(codeOf(answer), "status b");
  assert.deepEqual(asked, ["a", "b"]);
});

Deno.test("FailoverBackend tries a service again after its time with one question, and keeps it when it answers", async () => {
  const scene = new Scene({ a: fails("connect"), b: YES });
  await scene.ask();
  scene.clock.advance(9_999);
  assert.deepEqual((await scene.ask()).asked, ["b"]);
  scene.clock.advance(1);
  const probe = Promise.withResolvers<AuthAnswer>();
  scene.answers["a"] = probe.promise;
  const probing = scene.ask();
  assert.deepEqual((await scene.ask()).asked, ["b"]);
  probe.resolve(NO);
  assert.equal((await probing).answer, NO);
  scene.answers["a"] = YES;
  assert.deepEqual((await scene.ask()).asked, ["a"]);
  assert.deepEqual(scene.told.filter((line) => line.startsWith("auth_service")), [
    "auth_service_down a connect",
    "auth_service_up a",
  ]);
});

Deno.test("FailoverBackend leaves a service alone again when the probe fails", async () => {
  const scene = new Scene({ a: fails("connect"), b: YES });
  await scene.ask();
  scene.clock.advance(10_000);
  assert.deepEqual((await scene.ask()).asked, ["a", "b"]);
  scene.clock.advance(9_999);
  assert.deepEqual((await scene.ask()).asked, ["b"]);
  scene.clock.advance(1);
  assert.deepEqual((await scene.ask()).asked, ["a", "b"]);
});

Deno.test("FailoverBackend lets another question probe when the session of the first one ends", async () => {
  const scene = new Scene({ a: fails("connect"), b: YES });
  await scene.ask();
  scene.clock.advance(10_000);
  scene.answers["a"] = fails("aborted");
  assert.equal(codeOf((await scene.ask()).answer), "aborted a");
  scene.answers["a"] = YES;
  assert.deepEqual((await scene.ask()).asked, ["a"]);
});

Deno.test("FailoverBackend asks nobody while none can be reached, until the probe, and closes the circuit after it", async () => {
  const scene = new Scene({ a: fails("connect"), b: fails("timeout") });
  assert.equal(codeOf((await scene.ask()).answer), "timeout b");
  scene.clock.advance(9_999);
  const { answer, asked } = await scene.ask();
  assert.equal(codeOf(answer), "circuit_open a, b");
  assert.deepEqual(asked, []);
  scene.clock.advance(1);
  scene.answers["a"] = YES;
  assert.deepEqual(await scene.ask(), { answer: YES, asked: ["a"] });
  assert.deepEqual(scene.told.filter((line) => line.includes("circuit")), [
    "callout_circuit opened",
    "auth_circuit_open",
    "callout_circuit refused",
    "callout_circuit probe",
    "callout_circuit closed",
    "auth_circuit_closed",
  ]);
});

Deno.test("FailoverBackend opens no circuit for services that are there and answer nonsense", async () => {
  const scene = new Scene({ a: fails("closed"), b: fails("status", "500 Oops") });
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual((await scene.ask()).asked, ["a", "b"]);
  }
  assert.equal(scene.told.includes("auth_circuit_open"), false);
  scene.answers["a"] = fails("connect");
  await scene.ask();
  assert.deepEqual((await scene.ask()).asked, ["b"]);
});

Deno.test("FailoverBackend counts failures within fail_timeout only, and an answer makes up for them", async () => {
  const scene = new Scene({ a: fails("connect"), b: YES }, {}, { maxFails: 2 });
  await scene.ask();
  scene.clock.advance(10_001);
  await scene.ask();
  scene.answers["a"] = YES;
  await scene.ask();
  scene.answers["a"] = fails("connect");
  await scene.ask();
  assert.deepEqual((await scene.ask()).asked, ["a", "b"]);
  assert.deepEqual((await scene.ask()).asked, ["b"]);
});

Deno.test("FailoverBackend never leaves a service alone with max_fails 0", async () => {
  const scene = new Scene({ a: fails("connect"), b: fails("connect") }, {}, { maxFails: 0 });
  for (let turn = 0; turn < 3; turn++) assert.deepEqual((await scene.ask()).asked, ["a", "b"]);
});

Deno.test("FailoverBackend asks no other service when the time for that is over, or the session", async () => {
  const late = new Scene({ a: YES, b: YES }, { nextTimeoutMs: 3_000 });
  const slow = Promise.withResolvers<AuthAnswer>();
  late.answers["a"] = slow.promise;
  const asking = late.ask();
  late.clock.advance(3_000);
  slow.resolve(fails("timeout"));
  assert.equal(codeOf((await asking).answer), "timeout a");
  const gone = new Scene({ a: fails("aborted"), b: YES });
  assert.deepEqual((await gone.ask()).asked, ["a"]);
  assert.deepEqual(gone.told, []);
});

Deno.test("FailoverBackend closes all services", () => {
  const scene = new Scene({ a: YES, b: YES });
  scene.backend.close();
  assert.deepEqual(scene.asked, ["closed a", "closed b"]);
});
