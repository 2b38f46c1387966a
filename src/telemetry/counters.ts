import type { CounterName } from "../ports/telemetry.ts";

/** What a counter counts. */
export interface CounterRow {
  /** Name of its label. */
  readonly label: string;
  /** One sentence for `# HELP`. */
  readonly help: string;
}

/** One row per counter; a missing row is a type error. Its name is `postern_<row>_total`. */
export const COUNTERS: Readonly<Record<CounterName, CounterRow>> = {
  messages: { label: "outcome", help: "Messages that clients offered in relays, by how they ended." },
};

/** How a counter and one of its labels are kept in one table. */
export function countKey(counter: CounterName, label: string): string {
  return `${counter} ${label}`;
}
