import type { Config } from "../config/settings.ts";
import { openLog } from "../telemetry/open_log.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import { CountedMetrics } from "../telemetry/metrics.ts";
import { type MetricsServer, serveMetrics } from "../telemetry/metrics_server.ts";
import { exposeMetrics } from "../telemetry/metrics_text.ts";
import type { Log } from "../ports/telemetry.ts";
import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import { readConfig } from "./read_config.ts";
import { type Postern, serve } from "./serve.ts";
import { VERSION } from "./version.ts";

/** How long relays may go on after SIGTERM or SIGINT, milliseconds. */
const GRACE_MS = 10_000;
/** After SIGQUIT sessions end on their own (nginx: graceful shutdown); a day bounds it. */
const QUIT_GRACE_MS = 24 * 3_600_000;

/** `postern run --config FILE`: serves until a signal ends it. 1 for a bad configuration, 2 for wrong usage. */
export async function runCommand(args: string[], io: CommandIo): Promise<number> {
  let file: string;
  try {
    const options = parseOptions("run", args, { config: { type: "string", short: "c" } });
    if (options.config === undefined) throw new UsageError("postern run: --config FILE is missing");
    file = options.config;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
  const result = readConfig(file);
  if (!result.ok) {
    io.err(result.text);
    return 1;
  }
  return await runConfig(result.config, io);
}

async function runConfig(config: Config, io: CommandIo): Promise<number> {
  const log = openLog(config.main.log);
  const guard = guardProcess(log);
  const facts = { version: VERSION, runtime: `deno ${Deno.version.deno}`, startedAt: Date.now() / 1000 };
  const block = new MetricMemory();
  let metricsServer: MetricsServer | null = null;
  let stopping = false;
  try {
    const postern = await serve(config, { log, metrics: new CountedMetrics(block) });
    if (config.main.metrics_listen !== null) {
      metricsServer = await serveMetrics(config.main.metrics_listen, {
        expose: () => exposeMetrics(facts, [block]),
        healthy: () => !stopping,
      });
    }
    log.event("notice", "ready", `postern ${VERSION} is ready`, null, {
      listeners: postern.addresses.length,
    });
    await untilStopped(postern, log, () => stopping = true);
    log.event("notice", "stopped", "all sessions have ended", null);
    return 0;
  } catch (error) {
    io.err(`postern: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await metricsServer?.close();
    await log.close();
    guard.release();
  }
}

/** Serves until a signal, then stops; a second signal cuts what is left. */
async function untilStopped(
  postern: Postern,
  log: ReturnType<typeof openLog>,
  began: () => void,
): Promise<void> {
  const { promise: asked, resolve } = Promise.withResolvers<number>();
  let signals = 0;
  const onStop = () => {
    if (signals++ === 0) resolve(GRACE_MS);
    else postern.stop(0);
  };
  const onQuit = () => {
    if (signals++ === 0) resolve(QUIT_GRACE_MS);
  };
  const onReopen = () => void log.reopen();
  const handlers: [Deno.Signal, () => void][] = [
    ["SIGTERM", onStop],
    ["SIGINT", onStop],
    ["SIGQUIT", onQuit],
    ["SIGUSR1", onReopen],
  ];
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  const graceMs = await asked;
  began();
  log.event("notice", "stopping", "no new connections are accepted", null, { sessions: postern.sessions });
  await postern.stop(graceMs);
  for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
}

/**
 * An error that nobody owns is a mistake in Postern: it is logged and must not take the other sessions with it.
 */
function guardProcess(log: Log): { release(): void } {
  const report = (error: unknown) => {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    log.event("crit", "internal_error", text, null);
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    report(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    report(event.error);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return {
    release: () => {
      globalThis.removeEventListener("unhandledrejection", onRejection);
      globalThis.removeEventListener("error", onError);
    },
  };
}
