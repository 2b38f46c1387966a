/**
 * The first module of a worker: a thread that serves the configuration which the first thread sends it.
 *
 * @module
 */
import { CountedMetrics } from "../telemetry/metrics.ts";
import { MetricMemory } from "../telemetry/metric_memory.ts";
import { type Logs, openLogs } from "./open_logs.ts";
import { PostedLines } from "./posted_lines.ts";
import { type Postern, serve } from "./serve.ts";
import { guardThread } from "./thread_guard.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/** The global scope of a worker, which the types of the main thread do not have. */
interface WorkerScope {
  postMessage(message: FromWorker): void;
  addEventListener(type: "message", listener: (event: MessageEvent<ToWorker>) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const lines = new PostedLines((message) => scope.postMessage(message));
let running: Promise<{ readonly postern: Postern; readonly logs: Logs } | null> | null = null;

scope.addEventListener("message", ({ data }) => {
  switch (data.kind) {
    case "start":
      running = start(data);
      break;
    case "stop":
      void stop(data.graceMs);
      break;
    case "written":
      lines.written(data.ticket, data.ok);
      break;
  }
});

async function start({ worker, config, metrics, connections }: ToWorker & { readonly kind: "start" }) {
  const logs = openLogs(config, { open: (to) => lines.open(to), worker });
  guardThread(logs.process);
  const count = new BigInt64Array(connections);
  try {
    const postern = await serve(config, {
      log: logs.process,
      serverLog: (settings) => logs.forServer(settings),
      metrics: new CountedMetrics(new MetricMemory(metrics)),
      worker: { nextConnection: () => Number(Atomics.add(count, 0, 1n)) + 1 },
    });
    scope.postMessage({ kind: "serving", addresses: postern.addresses });
    return { postern, logs };
  } catch (error) {
    scope.postMessage({ kind: "failed", reason: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

/** The second call shortens the grace of the first; each tells when all has ended, which counts once. */
async function stop(graceMs: number): Promise<void> {
  const started = await running;
  if (!started) return;
  await started.postern.stop(graceMs);
  await started.logs.close();
  scope.postMessage({ kind: "stopped" });
}
