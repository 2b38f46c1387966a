import { counter, type Family, gauge } from "../telemetry/metric_families.ts";
import type { WorkerAnswer } from "./workers.ts";

/** What the threads that serve say about themselves, as metrics. */
export function workerFamilies(answers: readonly WorkerAnswer[], crashes: number): Family[] {
  const up = answers.map(({ worker, answer }) => ({
    labels: { worker: String(worker) },
    value: answer === null ? 0 : 1,
  }));
  const reply = answers.map(({ worker, ms }) => ({ labels: { worker: String(worker) }, value: ms / 1000 }));
  const heap = answers.flatMap(({ worker, answer }) =>
    answer?.about === "pulse" ? [{ labels: { worker: String(worker) }, value: answer.heapBytes }] : []
  );
  const certificates = new Map<string, number>();
  for (const { answer } of answers) {
    if (answer?.about !== "pulse") continue;
    for (const { file, notAfter } of answer.certificates) {
      certificates.set(file, Math.min(certificates.get(file) ?? Infinity, notAfter));
    }
  }
  return [
    gauge(
      "postern_certificate_expiry_timestamp_seconds",
      "When a certificate for clients that is in force expires; of those of several workers the first.",
      [...certificates].map(([file, value]) => ({ labels: { file }, value })),
    ),
    gauge("postern_worker_up", "Whether a worker answered within a second just now.", up),
    gauge(
      "postern_worker_reply_seconds",
      "How long that answer took: how far the loop of the worker lags behind.",
      reply,
    ),
    gauge("postern_worker_heap_bytes", "Memory that the objects of a worker take.", heap),
    counter("postern_worker_crashes_total", "Workers that crashed and were replaced.", [
      { labels: {}, value: crashes },
    ]),
  ];
}
