/**
 * The process: serves a configuration and those that follow it, until a signal ends it.
 *
 * @module
 */
import type { Config } from "../config/settings.ts";
import { SessionBoard } from "../driver/session_board.ts";
import { SignInHolds } from "../driver/sign_in_holds.ts";
import { createClock } from "../io/deadlines.ts";
import type { Clock } from "../ports/clock.ts";
import { LogOutputs } from "../telemetry/log_outputs.ts";
import type { LogOrigin } from "../telemetry/open_log.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import { CountedMetrics } from "../telemetry/metrics.ts";
import { AdminListener } from "./admin_listener.ts";
import { answerQuestion } from "./admin_questions.ts";
import type { ChosenConfig } from "./config_option.ts";
import { CurrentLog } from "./current_log.ts";
import { limitPorts, openLimits, type ProcessLimits } from "./limits.ts";
import { type Logs, openLogs, originOf } from "./open_logs.ts";
import { ProcessFiles } from "./process_files.ts";
import { ProcessSignals } from "./process_signals.ts";
import { Reloads } from "./reloads.ts";
import { serve } from "./serve.ts";
import { guardThread } from "./thread_guard.ts";
import { VERSION } from "./version.ts";
import { serveWithWorkers, workerCount, type Workers } from "./workers.ts";

/**
 * Serves `config` of `file` until a signal ends the process; `read` reads what is to follow it.
 * @throws {Error} when it cannot be served.
 */
export async function runConfig(config: Config, file: string, read: () => ChosenConfig): Promise<void> {
  const outputs = new LogOutputs();
  // What the process counts besides its sessions.
  const counts = new MetricMemory();
  const metrics = new CountedMetrics(counts);
  const open = (next: Config) => openLogsOrExplain(next, originOf(outputs, metrics));
  const logs = open(config);
  const log = new CurrentLog(logs.process);
  const guard = guardThread(log);
  const signals = new ProcessSignals(log);
  let inForce = () => logs;
  const clock = createClock();
  const limits = await openLimits(config.main, { clock, log, metrics });
  let admin: AdminListener | null = null;
  let files: ProcessFiles | null = null;
  try {
    const parts = { log, logs, outputs, clock, limits };
    const postern =
      await (workerCount(config) === 1 ? serveAlone(config, parts) : serveShared(config, parts));
    const facts = { version: VERSION, runtime: `deno ${Deno.version.deno}`, startedAt: Date.now() / 1000 };
    const adminPorts = { process: facts, log, clock, workers: postern, counts, limits };
    admin = await orStop(postern, () => AdminListener.open(config, adminPorts));
    const reloads = new Reloads(config, logs, { read, openLogs: open, postern, admin, log });
    inForce = () => reloads.logs;
    // Only who has the addresses may say so: another one that runs keeps its files.
    files = await ownFiles(config.main.pid, file, postern, reloads, log);
    const { addresses: { length: listeners }, count: workers } = postern;
    log.event("notice", "ready", `postern ${VERSION} is ready`, null, { listeners, workers });
    await signals.serve(postern, reloads, () => admin!.drain());
    log.event("notice", "stopped", "all sessions have ended", null);
  } finally {
    files?.remove();
    await admin?.close();
    await limits.store.close();
    // Whatever led to an error comes before it.
    await inForce().close();
    guard.release();
  }
}

/** What serving is told with. */
interface Parts {
  readonly log: CurrentLog;
  readonly logs: Logs;
  /** Destinations that the logs of all threads have in common. */
  readonly outputs: LogOutputs;
  readonly clock: Clock;
  readonly limits: ProcessLimits;
}

function openLogsOrExplain(config: Config, origin: LogOrigin): Logs {
  try {
    return openLogs(config, origin);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot open a log: ${reason}`, { cause: error });
  }
}

/** Serves with other threads. */
async function serveShared(config: Config, parts: Parts): Promise<Workers> {
  return await serveWithWorkers(config, { ...parts, count: workerCount(config) });
}

/** Serves with this thread alone. */
async function serveAlone(config: Config, { log, logs, limits }: Parts): Promise<Workers> {
  const metrics = new MetricMemory();
  const board = new SessionBoard();
  const holds = new SignInHolds();
  const counted = new CountedMetrics(metrics);
  const ports = { metrics: counted, limits: limitPorts(limits), board, holds };
  const postern = await serve(config, { log, logs, ...ports });
  return {
    count: 1,
    crashes: 0,
    ask: (question) => {
      const answer = answerQuestion(question, board, postern.certificates);
      return Promise.resolve([{ worker: 1, answer, ms: 0 }]);
    },
    hold: ({ users, waitMs }) => holds.set(users, waitMs),
    get addresses() {
      return postern.addresses;
    },
    metrics: [metrics],
    get sessions() {
      return postern.sessions;
    },
    prepare: (next, nextLogs) => postern.prepare(next, nextLogs),
    stop: (graceMs) => postern.stop(graceMs),
  };
}

async function ownFiles(
  pid: string | null,
  file: string,
  postern: Workers,
  reloads: Reloads,
  log: CurrentLog,
): Promise<ProcessFiles | null> {
  if (pid === null) return null;
  const reload = () => reloads.reload();
  return await orStop(postern, () => Promise.resolve(new ProcessFiles(pid, file, reload, log)));
}

/** Ends `postern` when `act` fails. */
async function orStop<T>(postern: Workers, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    await postern.stop(0);
    throw error;
  }
}
