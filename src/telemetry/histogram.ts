import type { HistogramState } from "./exposition.ts";

/** Counts observations into fixed buckets. */
export class Histogram implements HistogramState {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  #sum = 0;

  /** Takes the upper bounds of the buckets in ascending order; an infinite one is added. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  get sum(): number {
    return this.#sum;
  }

  /** Counts one observation; a value equal to a bound belongs to its bucket. */
  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > this.bounds[index]!) index++;
    this.counts[index]! += 1;
    this.#sum += value;
  }
}
