/**
 * What is made of the numbers of several runs.
 *
 * @module
 */

/**
 * The middle of the values, or the mean of the two in the middle.
 * @throws {RangeError} when there are none.
 */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Expected values, received none");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The least value that `percent` of the values do not exceed (nearest rank).
 * @throws {RangeError} when there are none.
 */
export function percentile(ascending: readonly number[], percent: number): number {
  if (ascending.length === 0) throw new RangeError("Expected values, received none");
  const rank = Math.ceil(ascending.length * percent / 100);
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1]!;
}

/** A ratio of two things that were measured in pairs. */
export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

/**
 * `over[i] / under[i]` of each pair, which drifts of the machine over the pairs hardly touch.
 * @throws {RangeError} when the values are no pairs.
 */
export function pairedRatio(over: readonly number[], under: readonly number[]): Ratio {
  if (over.length !== under.length) {
    throw new RangeError(`Expected pairs, received ${over.length} and ${under.length} values`);
  }
  const ratios = over.map((value, i) => value / under[i]!);
  return { median: median(ratios), least: Math.min(...ratios), greatest: Math.max(...ratios) };
}
