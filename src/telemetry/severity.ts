import type { LogLevel } from "../ports/telemetry.ts";

/** Levels in their order; `off` is above all of them. */
export const SEVERITY: Readonly<Record<LogLevel | "off", number>> = {
  debug: 0,
  info: 1,
  notice: 2,
  warn: 3,
  error: 4,
  crit: 5,
  alert: 6,
  emerg: 7,
  off: 8,
};
