/**
 * One timer wheel for all waits of the process.
 *
 * A session arms its deadline at every command, and nearly no deadline is ever reached. So arming must cost nothing:
 * a deadline stands in a slot of the wheel, and arming it for later only changes its expiry; when its slot comes up,
 * it moves to the slot where it then belongs. One timer of the runtime waits for the next slot that is in use, and
 * none exists while nothing is armed. Expiries beyond the wheel's span stand in its farthest slot meanwhile.
 *
 * @module
 */
import type { Clock, Deadline } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";

/** Width of a slot in milliseconds: the most by which a deadline is late, apart from the runtime's own lateness. */
const TICK_MS = 50;
/** The wheel spans 60 seconds, the usual `timeout`. */
const SLOTS = 1200;

/** Where time comes from; tests give their own. */
export interface TimeSource {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds of a clock that is never set. */
  monotonic(): number;
  /** Calls `fire` once after `milliseconds`; what it returns cancels that. */
  after(milliseconds: number, fire: () => void): () => void;
}

let lastWall = 0;
let lastMonotonic = 0;

const SYSTEM_TIME: TimeSource = {
  now: () => Date.now(),
  // Asked for at every arming, many times in a millisecond of a busy process, and `Date.now()` takes half the time of
  // the runtime's `performance.now()`. Should the wall clock be set back to the very millisecond that was read last,
  // one reading is too old by as much.
  monotonic() {
    const wall = Date.now();
    if (wall !== lastWall) {
      lastWall = wall;
      lastMonotonic = performance.now();
    }
    return lastMonotonic;
  },
  after(milliseconds, fire) {
    const timer = setTimeout(fire, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * A {@linkcode Clock} whose deadlines are at most about 50 ms late. `close()` disarms them all, for good; what sleeps
 * then, sleeps on. An exception out of an `expired` callback is not caught here.
 */
export function createClock(source: TimeSource = SYSTEM_TIME): Clock & { close(): void } {
  const wheel = new TimerWheel(source);
  return {
    now: () => source.now(),
    deadline: (expired) => new WheelDeadline(wheel, expired),
    sleep: (milliseconds, signal) => sleep(wheel, milliseconds, signal),
    close: () => wheel.close(),
  };
}

function sleep(wheel: TimerWheel, milliseconds: number, signal?: EndSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      deadline.disarm();
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const deadline = new WheelDeadline(wheel, wake);
    signal?.addEventListener("abort", wake);
    deadline.arm(milliseconds);
  });
}

class WheelDeadline implements Deadline {
  readonly expired: () => void;
  readonly #wheel: TimerWheel;
  /** Time of the monotonic clock. */
  expiry = 0;
  /** Absolute number of the slot this stands in, or -1. */
  tick = -1;
  previous: WheelDeadline | null = null;
  next: WheelDeadline | null = null;

  constructor(wheel: TimerWheel, expired: () => void) {
    this.#wheel = wheel;
    this.expired = expired;
  }

  arm(milliseconds: number): void {
    this.#wheel.arm(this, milliseconds);
  }

  disarm(): void {
    this.#wheel.disarm(this);
  }
}

class TimerWheel {
  readonly #source: TimeSource;
  readonly #slots: (WheelDeadline | null)[] = new Array(SLOTS).fill(null);
  #armed = 0;
  /** The last slot that was emptied; every deadline stands in one of the SLOTS - 1 after it. */
  #emptied = 0;
  /** Slot the runtime's timer waits for. */
  #awaited = Infinity;
  #cancelTimer: (() => void) | null = null;
  #closed = false;

  constructor(source: TimeSource) {
    this.#source = source;
  }

  arm(deadline: WheelDeadline, milliseconds: number): void {
    if (this.#closed) return;
    const now = this.#source.monotonic();
    deadline.expiry = now + milliseconds;
    if (this.#armed === 0) this.#emptied = Math.floor(now / TICK_MS);
    const tick = this.#tickOf(deadline.expiry);
    if (deadline.tick !== -1) {
      if (tick >= deadline.tick) return;
      this.#unlink(deadline);
    }
    this.#link(deadline, tick);
    if (tick < this.#awaited) this.#await(tick);
  }

  disarm(deadline: WheelDeadline): void {
    if (deadline.tick === -1) return;
    this.#unlink(deadline);
    if (this.#armed === 0) this.#stopTimer();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer();
    for (let slot = 0; slot < SLOTS; slot++) {
      for (let first = this.#slots[slot]; first; first = this.#slots[slot]) this.#unlink(first);
    }
  }

  /** The first slot that comes up when `expiry` has passed, or the farthest one that there is. */
  #tickOf(expiry: number): number {
    const tick = Math.ceil(expiry / TICK_MS);
    return Math.max(this.#emptied + 1, Math.min(tick, this.#emptied + SLOTS - 1));
  }

  #link(deadline: WheelDeadline, tick: number): void {
    const slot = tick % SLOTS;
    const first = this.#slots[slot] ?? null;
    deadline.tick = tick;
    deadline.next = first;
    if (first !== null) first.previous = deadline;
    this.#slots[slot] = deadline;
    this.#armed++;
  }

  #unlink(deadline: WheelDeadline): void {
    const { previous, next } = deadline;
    if (previous === null) this.#slots[deadline.tick % SLOTS] = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    deadline.previous = null;
    deadline.next = null;
    deadline.tick = -1;
    this.#armed--;
  }

  #turn(): void {
    this.#cancelTimer = null;
    // Below every slot: what the callbacks arm is awaited once, at the end.
    this.#awaited = -1;
    const now = this.#source.monotonic();
    const current = Math.floor(now / TICK_MS);
    try {
      while (this.#emptied < current && this.#armed > 0) {
        this.#emptied++;
        this.#empty(this.#emptied, now);
      }
    } finally {
      if (this.#armed > 0) this.#awaitNext();
      else this.#stopTimer();
    }
  }

  #empty(tick: number, now: number): void {
    const slot = tick % SLOTS;
    for (let deadline = this.#slots[slot]; deadline; deadline = this.#slots[slot]) {
      this.#unlink(deadline);
      if (deadline.expiry <= now) deadline.expired();
      else this.#link(deadline, this.#tickOf(deadline.expiry));
    }
  }

  #awaitNext(): void {
    for (let tick = this.#emptied + 1; tick < this.#emptied + SLOTS; tick++) {
      if (this.#slots[tick % SLOTS]) return this.#await(tick);
    }
  }

  #await(tick: number): void {
    this.#cancelTimer?.();
    this.#awaited = tick;
    const delay = Math.max(0, tick * TICK_MS - this.#source.monotonic());
    // Rounded up: the runtime's timers drop the fraction and would come up in the slot before.
    this.#cancelTimer = this.#source.after(Math.ceil(delay), () => this.#turn());
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#awaited = Infinity;
  }
}
