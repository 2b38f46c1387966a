/**
 * What shared limits cost: `deno task bench:limits`.
 * One Postern's side asks a `redis-server` of its own the questions of sessions (a place taken and given back, a login,
 * one message with three recipients), so many sessions at a time, and prints sessions and questions per second, the
 * time of one question, and the CPU time of either side for each session.
 *
 * @module
 */
import { createClock } from "../../src/io/deadlines.ts";
import { createDialer } from "../../src/io/dialer.ts";
import { RedisLimitStore } from "../../src/limits/redis_store.ts";
import type { LimitStore, LoginRule } from "../../src/ports/limit_store.ts";
import { unusedPorts } from "./ports.ts";
import { parseProcessStat } from "./proc_text.ts";

const SESSIONS = 20_000;
const AT_A_TIME = 50;
const CLIENTS = 2_000;
/** Ticks in a second (proc(5)). */
const TICKS = 100;

const RULE: LoginRule = {
  delay: 10,
  refuse: null,
  ban: null,
  forgetMs: 600_000,
  banMs: 60_000,
  banMaxMs: 3_600_000,
};

let questions = 0;
let waitedMs = 0;

async function timed<T>(question: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const answer = await question();
  questions++;
  waitedMs += performance.now() - began;
  return answer;
}

/** All that a session with a login and one message asks. */
async function session(store: LimitStore, index: number): Promise<void> {
  const client = `client 10.${index % CLIENTS >> 8}.${index % 256}.1`;
  const user = `user user${index % CLIENTS}`;
  const rate = (key: string) => ({ key, count: 1_000_000, perMs: 1_000, burst: 100 });
  const admit = (holds: readonly string[], rates: readonly string[]) =>
    timed(() =>
      store.admit({ bans: [], holds: holds.map((key) => ({ key, most: 1e6 })), rates: rates.map(rate) })
    );
  const holds = [`conn ${client}`, `conn ${user}`];
  await admit([holds[0]!], [`rate ${client}`]);
  const watches = [{ key: `login ${client}`, rule: RULE, unless: null }];
  await timed(async () => await store.loginAllowed({ watches, mark: "mark" }));
  await admit([holds[1]!], []);
  await admit([], [`messages ${user}`]);
  for (let recipient = 0; recipient < 3; recipient++) await admit([], [`recipients ${user}`]);
  store.release(holds);
}

function cpuSeconds(pid: number): number {
  const stat = parseProcessStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
  return (stat.userTicks + stat.systemTicks) / TICKS;
}

async function listening(port: number): Promise<void> {
  for (;;) {
    try {
      return (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const [port] = unusedPorts(1) as [number];
const redis = new Deno.Command("redis-server", {
  args: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
  stdout: "null",
  stderr: "null",
}).spawn();
const clock = createClock();
let unanswered = 0;
await listening(port);
const store = new RedisLimitStore({
  target: {
    address: { kind: "tcp", host: "127.0.0.1", port },
    tls: false,
    trustedCertificates: null,
    user: null,
    password: null,
    database: 0,
  },
  connector: createDialer(),
  timeoutMs: 5_000,
  clock,
  open: true,
  changed: () => {},
  unanswered: () => unanswered++,
});
try {
  // Connects, and warms up.
  do {
    unanswered = 0;
    await Promise.all(Array.from({ length: AT_A_TIME }, (_, index) => session(store, index)));
  } while (unanswered > 0);
  questions = 0;
  waitedMs = 0;
  const [ours, theirs] = [cpuSeconds(Deno.pid), cpuSeconds(redis.pid)];
  const began = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
    while (next < SESSIONS) await session(store, next++);
  }));
  const seconds = (performance.now() - began) / 1000;
  const perSession = (cpu: number) => `${(cpu / SESSIONS * 1e6).toFixed(0)} us`;
  console.log(`sessions per second            ${(SESSIONS / seconds).toFixed(0)}`);
  console.log(`questions per session          ${(questions / SESSIONS).toFixed(1)}`);
  console.log(`questions per second           ${(questions / seconds).toFixed(0)}`);
  console.log(
    `time of a question             ${(waitedMs / questions).toFixed(2)} ms with ${AT_A_TIME} at a time`,
  );
  console.log(`CPU per session, Postern side  ${perSession(cpuSeconds(Deno.pid) - ours)}`);
  console.log(`CPU per session, Redis         ${perSession(cpuSeconds(redis.pid) - theirs)}`);
  console.log(`unanswered                     ${unanswered}`);
} finally {
  await store.close();
  clock.close();
  redis.kill("SIGTERM");
  await redis.status;
}
