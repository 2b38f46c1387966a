/**
 * Runs sessions through a proxy and measures it.
 *
 * @module
 */
import { type CpuTime, cpuTime, machineBusy, machineTicks, memory, resetPeak } from "./accounting.ts";
import type { Bed, MeasuredCase } from "./beds.ts";
import { isLarge, type LatencyCase, type SessionsCase } from "./cases.ts";
import { allClosed } from "./closed_clients.ts";
import type { Run, Values } from "./measures.ts";
import { runPostfixSource } from "./postfix_peers.ts";
import type { Proxy } from "./proxies.ts";
import type { SinkTotals } from "./sink_session.ts";
import { percentile } from "./statistics.ts";
import { type Surroundings, targetOf } from "./surroundings.ts";

/** A run without its place in the order of runs. */
export type RunResult = Omit<Run, "pair">;

/** What the clients did. */
interface Driven {
  readonly messages: number;
  readonly octets: number;
  readonly seconds: number;
  /** CPU time of a client that has ended; the others are read from outside. */
  readonly endedClient: CpuTime;
  readonly latenciesMs: readonly number[];
}

const NO_TIME: CpuTime = { user: 0, system: 0 };

/**
 * One run.
 * @throws {Error} when a message was lost or changed, or a session failed.
 */
export async function runSessions(
  load: MeasuredCase,
  bed: Bed,
  surroundings: Surroundings,
): Promise<RunResult> {
  const { proxy } = bed;
  const { generator, background, authPid } = surroundings;
  const served = bed.served(load);
  await allClosed(generator.pid);
  const read = () => ({
    at: performance.now(),
    proxy: cpuTime(proxy.pids),
    clients: cpuTime([generator.pid, background.pid]),
    sink: cpuTime([bed.sinkPid]),
    auth: cpuTime([authPid]),
    machine: machineTicks(),
  });
  resetPeak(proxy.pids);
  const before = read();
  const driven = await drive(load, bed, surroundings);
  const after = read();
  const { peakResident } = memory(proxy.pids);
  checkArrived(`${load.name}, ${proxy.name}`, driven, await bed.take());
  bed.serve(load, driven.messages);

  const window = (after.at - before.at) / 1000;
  const user = after.proxy.user - before.proxy.user;
  const system = after.proxy.system - before.proxy.system;
  const share = (from: CpuTime, to: CpuTime, more: CpuTime = NO_TIME) =>
    (to.user - from.user + to.system - from.system + more.user + more.system) / window;
  const shares = {
    proxy_share: share(before.proxy, after.proxy),
    generator_share: share(before.clients, after.clients, driven.endedClient),
    sink_share: share(before.sink, after.sink),
    auth_share: share(before.auth, after.auth),
  };
  const ours = Object.values(shares).reduce((sum, value) => sum + value, 0);
  const machine = machineBusy(before.machine, after.machine) * navigator.hardwareConcurrency;
  return {
    case: load.name,
    proxy: proxy.name,
    served,
    messages: driven.messages,
    octets: driven.octets,
    values: {
      ...(load.kind === "latency"
        ? latencies(driven, user + system)
        : throughput(load, driven, user + system)),
      user_seconds: user,
      system_seconds: system,
      peak_mb: peakResident / 2 ** 20,
      ...shares,
      others_share: Math.max(0, machine - ours),
      machine_share: machine,
    },
  };
}

function throughput(load: SessionsCase, { messages, octets, seconds }: Driven, cpuSeconds: number): Values {
  if (isLarge(load)) {
    return {
      cpu_seconds_per_gb: cpuSeconds / (octets / 1e9),
      wall_seconds: seconds,
      megabytes_per_second: octets / 1e6 / seconds,
    };
  }
  return {
    cpu_ms_per_session: cpuSeconds * 1000 / messages,
    wall_seconds: seconds,
    sessions_per_second: messages / seconds,
  };
}

function latencies({ messages, latenciesMs }: Driven, cpuSeconds: number): Values {
  return {
    cpu_ms_per_session: cpuSeconds * 1000 / messages,
    latency_p50_ms: percentile(latenciesMs, 50),
    latency_p90_ms: percentile(latenciesMs, 90),
    latency_p99_ms: percentile(latenciesMs, 99),
  };
}

async function drive(load: MeasuredCase, bed: Bed, surroundings: Surroundings): Promise<Driven> {
  if (load.kind === "latency") return await driveBesideOthers(load, bed.proxy, surroundings);
  const { processes, folder, generator } = surroundings;
  const { sessions, concurrency, octets } = load;
  if (load.peers === "own") {
    const target = targetOf(bed.proxy, surroundings, load);
    const answer = await generator.ask({ target, amount: { sessions }, concurrency, octets });
    return { ...answer, endedClient: NO_TIME };
  }
  const [length] = octets as readonly [number];
  const port = bed.proxy.plainPort;
  const source = { port, sessions, concurrency, octets: length, folder };
  const { seconds, cpu } = await runPostfixSource(processes, source);
  return { messages: sessions, octets: sessions * length, seconds, endedClient: cpu, latenciesMs: [] };
}

async function driveBesideOthers(
  load: LatencyCase,
  proxy: Proxy,
  surroundings: Surroundings,
): Promise<Driven> {
  const { background, generator } = surroundings;
  const { clients, seconds, octets, pauseMs } = load;
  await background.ask({
    do: "begin",
    target: targetOf(proxy, surroundings, load, pauseMs),
    clients,
    octets,
  });
  const target = targetOf(proxy, surroundings, load);
  const measured = await generator.ask({ target, amount: { seconds }, concurrency: 1, octets: [octets] });
  const others = await background.ask({ do: "end" });
  return {
    messages: measured.messages + others.messages,
    octets: measured.octets + others.octets,
    seconds: measured.seconds,
    endedClient: NO_TIME,
    latenciesMs: measured.latenciesMs,
  };
}

function checkArrived(what: string, sent: Driven, arrived: SinkTotals): void {
  if (arrived.faults.length > 0) throw new Error(`${what}: ${arrived.faults.join("; ")}`);
  if (arrived.messages !== sent.messages || arrived.octets !== sent.octets) {
    throw new Error(
      `${what}: ${sent.messages} messages of ${sent.octets} octets were sent, ` +
        `${arrived.messages} of ${arrived.octets} arrived`,
    );
  }
}
