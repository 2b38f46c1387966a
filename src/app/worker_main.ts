/**
 * The first module of a worker: a thread that serves the configuration which the first thread sends it.
 *
 * @module
 */
import type { Config } from "../config/settings.ts";
import { SessionBoard } from "../driver/session_board.ts";
import { SignInHolds } from "../driver/sign_in_holds.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { CountedMetrics } from "../telemetry/metrics.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import type { LogOrigin } from "../telemetry/open_log.ts";
import { answerQuestion } from "./admin_questions.ts";
import { CurrentLog } from "./current_log.ts";
import { createClock } from "../io/deadlines.ts";
import { limitPorts } from "./limits.ts";
import { PostedLimitStore } from "./posted_limits.ts";
import { countLost, type Logs, openLogs } from "./open_logs.ts";
import { PostedLines } from "./posted_lines.ts";
import { type Postern, type PreparedConfig, serve } from "./serve.ts";
import type { CertificateExpiry } from "./tls_files.ts";
import { guardThread } from "./thread_guard.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/** The global scope of a worker, which the types of the main thread do not have. */
interface WorkerScope {
  postMessage(message: FromWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const lines = new PostedLines((message) => scope.postMessage(message));
const board = new SessionBoard();
const holds = new SignInHolds();
/** Those in force. */
let certificates: () => readonly CertificateExpiry[] = () => [];
let openOwnLogs: (config: Config) => Logs;
let running: Promise<Serving | null> | null = null;

/** A configuration in force, or ready. */
interface Serving {
  readonly postern: Postern;
  readonly logs: Logs;
  readonly log: CurrentLog;
}

/** What waits for `commit` or `abort`. */
let prepared: { readonly config: PreparedConfig; readonly logs: Logs } | null = null;
/** Whether clients are let in when the first thread does not say whether they may. */
let failsOpen = true;
const limits = new PostedLimitStore((message) => scope.postMessage(message), createClock(), () => failsOpen);

scope.addEventListener("message", ({ data }) => {
  switch (data.kind) {
    case "start":
      running = start(data);
      break;
    case "prepare":
      void prepare(data.config, data.listeners);
      break;
    case "commit":
      running = commit();
      break;
    case "abort":
      abort();
      break;
    case "stop":
      void stop(data.graceMs);
      break;
    case "hold":
      holds.set(data.holds.users, data.holds.waitMs);
      break;
    case "ask":
      scope.postMessage({
        kind: "answer",
        ticket: data.ticket,
        answer: answerQuestion(data.question, board, certificates()),
      });
      break;
    case "written":
      lines.written(data.ticket, data.ok);
      break;
    case "limit_answer":
      limits.answered(data);
      break;
  }
});

async function start(message: ToWorker & { readonly kind: "start" }) {
  failsOpen = message.config.main.limit_store_failure === "open";
  const { worker, config, metrics, connections, listeners, markKey } = message;
  holds.set(message.holds.users, message.holds.waitMs);
  const counted = new CountedMetrics(new MetricMemory(metrics));
  const origin: LogOrigin = { open: (to) => lines.open(to), worker, lost: countLost(counted) };
  openOwnLogs = (config) => openLogs(config, origin);
  const logs = openOwnLogs(config);
  const log = new CurrentLog(logs.process);
  guardThread(log);
  const count = new BigInt64Array(connections);
  try {
    const postern = await serve(config, {
      log,
      logs,
      metrics: counted,
      limits: limitPorts({ store: limits, markKey }),
      worker: { nextConnection: () => Number(Atomics.add(count, 0, 1n)) + 1, listeners },
      board,
      holds,
    });
    certificates = () => postern.certificates;
    scope.postMessage({ kind: "serving", addresses: postern.addresses });
    return { postern, logs, log };
  } catch (error) {
    scope.postMessage({ kind: "failed", reason: reasonOf(error) });
    return null;
  }
}

async function prepare(config: Config, listeners: readonly SocketAddress[]): Promise<void> {
  const started = await running;
  if (!started) return;
  const logs = openOwnLogs(config);
  try {
    prepared = { config: await started.postern.prepare(config, logs, listeners), logs };
    scope.postMessage({ kind: "prepared", addresses: prepared.config.addresses });
  } catch (error) {
    await logs.close();
    scope.postMessage({ kind: "unprepared", reason: reasonOf(error) });
  }
}

async function commit(): Promise<Serving | null> {
  const started = await running;
  if (!started || prepared === null) return started;
  const { config, logs } = prepared;
  prepared = null;
  started.log.use(logs.process);
  await config.commit();
  return { ...started, logs };
}

function abort(): void {
  prepared?.config.abort();
  void prepared?.logs.close();
  prepared = null;
}

/** The second call shortens the grace of the first; each tells when all has ended, which counts once. */
async function stop(graceMs: number): Promise<void> {
  const started = await running;
  if (!started) return;
  await started.postern.stop(graceMs);
  await started.logs.close();
  scope.postMessage({ kind: "stopped" });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
