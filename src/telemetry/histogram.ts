/** Counts observations into fixed buckets, in memory that it is given. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative, one more than bounds. */
  readonly counts: Float64Array;
  readonly #sum: Float64Array;

  /** How many numbers a histogram with these bounds needs. */
  static numbers(bounds: readonly number[]): number {
    return bounds.length + 2;
  }

  /** Takes the upper bounds of the buckets in ascending order; an infinite one is added. */
  constructor(bounds: readonly number[], memory: Float64Array) {
    this.bounds = bounds;
    this.counts = memory.subarray(0, bounds.length + 1);
    this.#sum = memory.subarray(bounds.length + 1, bounds.length + 2);
  }

  get sum(): number {
    return this.#sum[0]!;
  }

  /** Counts one observation; a value equal to a bound belongs to its bucket. */
  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > this.bounds[index]!) index++;
    this.counts[index]! += 1;
    this.#sum[0]! += value;
  }
}
