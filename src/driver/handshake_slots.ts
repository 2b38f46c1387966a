import { Roster, type RosterMember } from "./roster.ts";

/** How long a handshake is left in peace when there is no room for another, in milliseconds: most are over by then. */
const PEACE_MS = 5_000;

/** One handshake that is under way. */
export interface HandshakeSlot extends RosterMember<HandshakeSlot> {
  /** Milliseconds of the clock. */
  readonly since: number;
  /** Ends it. */
  readonly giveWay: () => void;
}

/**
 * A number of handshakes that may be under way at a time: each costs memory, and processor time that others wait for.
 * When all slots are taken, the oldest handshake gives way to a new one if it had its time, so that clients who begin
 * handshakes and stop cannot keep the others out.
 */
export class HandshakeSlots {
  readonly #limit: number;
  /** In the order in which they began. */
  readonly #taken = new Roster<HandshakeSlot>();

  /** `limit` 0 is none. */
  constructor(limit: number) {
    this.#limit = limit === 0 ? Number.POSITIVE_INFINITY : limit;
  }

  /** Takes a slot, or null where none is to be had; who takes one gives it back. */
  take(now: number, giveWay: () => void): HandshakeSlot | null {
    if (this.#taken.size >= this.#limit && !this.#makeRoom(now)) return null;
    const slot: HandshakeSlot = { since: now, giveWay, previous: null, next: null };
    this.#taken.add(slot);
    return slot;
  }

  /** Gives a slot back; one that gave way already may be given again. */
  give(slot: HandshakeSlot): void {
    this.#taken.remove(slot);
  }

  #makeRoom(now: number): boolean {
    const oldest = this.#taken.first;
    if (oldest === null || now - oldest.since < PEACE_MS) return false;
    this.#taken.remove(oldest);
    oldest.giveWay();
    return true;
  }
}
