/**
 * A worker that crashes when it is told to: what gets past everything that catches errors ends in the same way.
 *
 * @module
 */
class Crash extends Error {}

// Before the worker's own listener, which lets no error end the thread.
globalThis.addEventListener("error", (event) => {
  if (event.error instanceof Crash) event.stopImmediatePropagation();
});
globalThis.addEventListener("message", (event) => {
  const { data } = event as MessageEvent<{ readonly kind: string }>;
  if (data.kind === "crash") throw new Crash("told to crash");
});

await import("../../src/app/worker_main.ts");
