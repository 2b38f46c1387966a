/**
 * The leaky bucket of nginx's `limit_req`, with its arithmetic: the first request leaves the bucket empty, each further
 * one adds 1, and the rate drains it; more than `burst` in it is too much.
 *
 * @module
 */
import type { Rate } from "../ports/limit_store.ts";

/** What was in a bucket at a time. */
export interface Bucket {
  readonly excess: number;
  /** Milliseconds. */
  readonly at: number;
}

/** The bucket with one more request in it; null when that is too much, and it stays as it was. */
export function pour(bucket: Bucket | null, rate: Rate, now: number): Bucket | null {
  const excess = bucket === null ? 0 : Math.max(0, drained(bucket, rate, now) + 1);
  return excess > rate.burst ? null : { excess, at: now };
}

/** When the bucket is as good as a new one: the request that it had last is drained too. */
export function drainedAt(bucket: Bucket, rate: Rate): number {
  return bucket.at + (bucket.excess + 1) * rate.perMs / rate.count;
}

/** May be negative: what the last request did not need is not saved up, but it is what makes the next one free. */
function drained(bucket: Bucket, rate: Rate, now: number): number {
  // A clock that was set back drains nothing.
  return bucket.excess - Math.max(0, now - bucket.at) * rate.count / rate.perMs;
}
