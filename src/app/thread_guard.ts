import type { Log } from "../ports/telemetry.ts";

/**
 * An error that nobody owns is a mistake in Postern: it is logged and must not take the other sessions with it.
 */
export function guardThread(log: Log): { release(): void } {
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
