/**
 * What V8 does not see of dead TLS handles.
 *
 * Each holds some 10 KB of the runtime's memory, which V8 neither counts nor gives back when it collects new objects
 * alone. As sessions leave few old objects, it would not collect all of them for a very long time.
 *
 * @module
 */

/**
 * After so many in a thread, some 10 MB, all objects are collected, which takes some milliseconds. V8 passes over the first
 * time, so once in the life of a thread there are twice as many.
 */
const MAX_DEAD = 1_000;
/**
 * V8 begins to collect all objects, step by step, when so much memory outside of its heap has been taken since it did last
 * (64 MiB). It is taken in address space alone, as nobody writes into it.
 */
const NOTICED_OCTETS = 72 * 1024 * 1024;

/** Has all objects collected when there are too many dead handles. */
export class DeadHandles {
  readonly #collect: () => void;
  #dead = 0;

  /** Those that have died since all objects were last collected for it. */
  get dead(): number {
    return this.#dead;
  }

  constructor(collect: () => void = beginCollection) {
    this.#collect = collect;
  }

  /** One more has died. */
  count(): void {
    if (++this.#dead < MAX_DEAD) return;
    this.#dead = 0;
    this.#collect();
  }
}

/**
 * Has V8 begin to collect all objects. It could be asked to by its `gc()`, but that does it at one blow, and compiled code
 * for objects of which there is none at that moment is lost.
 */
export function beginCollection(): void {
  try {
    new ArrayBuffer(NOTICED_OCTETS);
  } catch {
    // There is no such room: V8 collects all objects before it says so.
  }
}

/** Those of the thread. */
export const DEAD_HANDLES = new DeadHandles();
