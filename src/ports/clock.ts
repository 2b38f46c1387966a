import type { EndSignal } from "./end_signal.ts";

/** A timer that is armed again and again, cheaply; it fires once per arming. */
export interface Deadline {
  /** Starts or restarts the wait, in milliseconds from now. */
  arm(milliseconds: number): void;
  /** Stops the wait. Idempotent. */
  disarm(): void;
}

/** Time, as an argument: so that tests own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** A disarmed deadline that calls `expired` when it is reached. It may fire up to 100 ms late, never early. */
  deadline(expired: () => void): Deadline;
  /** Settles after `milliseconds`, or at once when `signal` aborts; never rejects. */
  sleep(milliseconds: number, signal?: EndSignal): Promise<void>;
}
