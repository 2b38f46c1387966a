import type { Config } from "../config/settings.ts";
import { SessionBoard } from "../driver/session_board.ts";
import { SignInHolds } from "../driver/sign_in_holds.ts";
import { createClock } from "../io/deadlines.ts";
import type { MainContext } from "../config/nginx_main.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";
import { LogOutputs } from "../telemetry/log_outputs.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import { CountedMetrics } from "../telemetry/metrics.ts";
import { AdminListener } from "./admin_listener.ts";
import { answerQuestion } from "./admin_questions.ts";
import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import { type ChosenConfig, CONFIG_OPTIONS, readChosenConfig } from "./config_option.ts";
import { guardThread } from "./thread_guard.ts";
import { type Logs, openLogs, originOf } from "./open_logs.ts";
import { type PidFile, writePidFile } from "./pid_file.ts";
import { RuntimeDebugger } from "./runtime_debugger.ts";
import { type Postern, serve } from "./serve.ts";
import { StopSignals } from "./stop_signals.ts";
import { serveWithWorkers, workerCount, type Workers } from "./workers.ts";
import { VERSION } from "./version.ts";

/** How long relays may go on after SIGTERM or SIGINT, milliseconds. */
const GRACE_MS = 10_000;
/** After SIGQUIT sessions end on their own (nginx: graceful shutdown); a day bounds it. */
const QUIT_GRACE_MS = 24 * 3_600_000;

/**
 * `postern run --config FILE` or `--nginx-conf FILE`: serves until a signal ends it. 1 for a bad configuration, 2
 * for wrong usage.
 */
export async function runCommand(args: string[], io: CommandIo): Promise<number> {
  let chosen: ChosenConfig;
  try {
    chosen = readChosenConfig("run", parseOptions("run", args, CONFIG_OPTIONS));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
  if (!chosen.ok) {
    io.err(chosen.text);
    return 1;
  }
  io.err(chosen.leftOut + nginxNotices(chosen.nginx));
  let logs: Logs;
  const outputs = new LogOutputs();
  try {
    logs = openLogs(chosen.config, originOf(outputs));
  } catch (error) {
    io.err(`postern: cannot open a log: ${reason(error)}\n`);
    return 1;
  }
  return await runConfig(chosen.config, { logs, outputs }, { io, pidFile: chosen.nginx?.pid ?? null });
}

/** What nginx would do for its main context and Postern cannot. */
function nginxNotices(nginx: MainContext | null): string {
  if (nginx === null) return "";
  const notices = [];
  if (nginx.daemon !== false) {
    notices.push("daemon: the runtime cannot detach, Postern stays in the foreground");
  }
  if (nginx.user.length > 0) {
    notices.push("user: the runtime cannot change its user, Postern keeps the one it has");
  }
  return notices.map((notice) => `postern: ${notice}\n`).join("");
}

/** The logs, and the destinations that they have in common. */
interface OpenedLogs {
  readonly logs: Logs;
  readonly outputs: LogOutputs;
}

async function runConfig(
  config: Config,
  opened: OpenedLogs,
  { io, pidFile }: { readonly io: CommandIo; readonly pidFile: string | null },
): Promise<number> {
  const { logs } = opened;
  const log = logs.process;
  const guard = guardThread(log);
  const clock = createClock();
  const facts = { version: VERSION, runtime: `deno ${Deno.version.deno}`, startedAt: Date.now() / 1000 };
  let admin: AdminListener | null = null;
  let pid: PidFile | null = null;
  try {
    const workers = workerCount(config);
    const postern = await (workers === 1
      ? serveAlone(config, logs)
      : serveShared(config, opened, { count: workers, clock }));
    // Only who has the addresses may say so: another one that runs keeps its file.
    if (pidFile !== null) {
      pid = await ownPidFile(pidFile, postern);
    }
    admin = await AdminListener.open(config, { process: facts, log, clock, workers: postern });
    log.event("notice", "ready", `postern ${VERSION} is ready`, null, {
      listeners: postern.addresses.length,
      workers,
    });
    await untilStopped(postern, logs, () =>
      admin?.drain());
    log.event("notice", "stopped", "all sessions have ended", null);
    return 0;
  } catch (error) {
    // What led to it comes first.
    await logs.close();
    io.err(`postern: ${reason(error)}\n`);
    return 1;
  } finally {
    pid?.remove();
    await admin?.close();
    await logs.close();
    guard.release();
  }
}

/** Serves with other threads. */
async function serveShared(
  config: Config,
  { logs, outputs }: OpenedLogs,
  options: { readonly count: number; readonly clock: Clock },
): Promise<Workers> {
  return await serveWithWorkers(config, { ...options, log: logs.process, outputs });
}

/** Serves with this thread alone. */
async function serveAlone(config: Config, logs: Logs): Promise<Workers> {
  const metrics = new MetricMemory();
  const board = new SessionBoard();
  const holds = new SignInHolds();
  const postern = await serve(config, {
    log: logs.process,
    logs,
    metrics: new CountedMetrics(metrics),
    board,
    holds,
  });
  return {
    get addresses() {
      return postern.addresses;
    },
    metrics: [metrics],
    crashes: 0,
    ask: (question) => Promise.resolve([{ worker: 1, answer: answerQuestion(question, board), ms: 0 }]),
    hold: ({ users, waitMs }) => holds.set(users, waitMs),
    get sessions() {
      return postern.sessions;
    },
    prepare: (next, nextLogs) => postern.prepare(next, nextLogs),
    stop: (graceMs) => postern.stop(graceMs),
  };
}

async function ownPidFile(path: string, postern: Postern): Promise<PidFile> {
  try {
    return writePidFile(path);
  } catch (error) {
    await postern.stop(0);
    throw error;
  }
}

/** Serves until a signal, then stops; a second signal cuts what is left. */
async function untilStopped(
  postern: Postern,
  logs: Logs,
  began: () => void,
): Promise<void> {
  const { promise: asked, resolve } = Promise.withResolvers<number>();
  const signals = new StopSignals(() => performance.now());
  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    Deno.addSignalListener(signal, () => {
      const order = signals.hear(signal);
      if (order === "cut") postern.stop(0);
      else if (order !== "nothing") resolve(order === "quit" ? QUIT_GRACE_MS : GRACE_MS);
    });
  }
  const runtimeDebugger = new RuntimeDebugger();
  Deno.addSignalListener("SIGUSR1", () => {
    void logs.reopen();
    void shutDebugger(runtimeDebugger, logs.process);
  });
  const graceMs = await asked;
  began();
  logs.process.event("notice", "stopping", "no new connections are accepted", null, {
    sessions: postern.sessions,
  });
  await postern.stop(graceMs);
  // The listeners stay: the process is about to end, and a signal that nobody hears would kill it before its log
  // is written.
}

async function shutDebugger(runtimeDebugger: RuntimeDebugger, log: Log): Promise<void> {
  const outcome = await runtimeDebugger.shut();
  if (outcome === "shut") {
    log.event("info", "debugger_shut", "the debugger that the runtime opens on SIGUSR1 is shut again", null);
  } else if (outcome === "forbidden") {
    const text =
      "the runtime opens its debugger on 127.0.0.1:9229 when SIGUSR1 comes: to shut it, Postern needs " +
      "--allow-sys";
    log.event("alert", "debugger_open", text, null);
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
