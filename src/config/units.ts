/**
 * Times and sizes as nginx writes them (spec §1.0).
 *
 * @module
 */

const SECOND = 1000;
const DAY = 86_400 * SECOND;

/** nginx's units of time in the order in which they may stand in one value, in milliseconds. */
const TIME_UNITS: readonly (readonly [unit: string, milliseconds: number])[] = [
  ["y", 365 * DAY],
  ["M", 30 * DAY],
  ["w", 7 * DAY],
  ["d", DAY],
  ["h", 3600 * SECOND],
  ["m", 60 * SECOND],
  ["s", SECOND],
  ["ms", 1],
];

/** Reads `60s`, `1m30s`, `250ms` or `60` (seconds) into milliseconds; null for anything else. */
export function parseTime(text: string): number | null {
  const part = /(\d+)(ms|[yMwdhms])? */y;
  let total = 0;
  let lastUnit = -1;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (match === null) return null;
    const unit = TIME_UNITS.findIndex(([name]) => name === (match[2] ?? "s"));
    const milliseconds = TIME_UNITS[unit]?.[1];
    // Units come in falling order, each once; a number without a unit ends the value.
    if (milliseconds === undefined || unit <= lastUnit) return null;
    lastUnit = match[2] === undefined ? TIME_UNITS.length : unit;
    total += Number(match[1]) * milliseconds;
  }
  return lastUnit === -1 || text.endsWith(" ") || !Number.isSafeInteger(total) ? null : total;
}

/** Writes milliseconds with the largest unit up to hours that divides them: `90s`, `24h`, `250ms`. */
export function formatTime(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  for (const [unit, size] of TIME_UNITS) {
    if (size <= 3600 * SECOND && milliseconds % size === 0) return `${milliseconds / size}${unit}`;
  }
  return `${milliseconds}ms`;
}

/** Reads `512`, `4k` or `1M` into octets; null for anything else. */
export function parseSize(text: string): number | null {
  const match = /^(\d+)([kKmM]?)$/.exec(text);
  if (match === null) return null;
  const factor = { k: 1024, m: 1024 * 1024 }[(match[2] ?? "").toLowerCase()] ?? 1;
  const octets = Number(match[1]) * factor;
  return Number.isSafeInteger(octets) ? octets : null;
}

/** Writes octets with the largest unit that divides them: `4k`, `1m`, `1000`. */
export function formatSize(octets: number): string {
  if (octets === 0 || octets % 1024 !== 0) return String(octets);
  return octets % (1024 * 1024) === 0 ? `${octets / (1024 * 1024)}m` : `${octets / 1024}k`;
}
