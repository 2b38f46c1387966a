/** Who may be in a {@linkcode Roster}, in one at a time: its neighbours there, null at the ends and outside. */
export interface RosterMember<T> {
  previous: T | null;
  next: T | null;
}

/**
 * Members that come and go all the time, in the order in which they came.
 *
 * Not a `Set` or a `Map`: of those V8 makes a new table after every so many members, and the table before points to it.
 * Where such a table died after it had grown old, the collector of new objects takes all tables that follow for living,
 * and every session in them, until all objects are collected. Who has left this list leads to nobody in it.
 */
export class Roster<T extends RosterMember<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The member that came before all others, or null. */
  get first(): T | null {
    return this.#first;
  }

  /** `member` is in no roster yet. */
  add(member: T): void {
    member.previous = this.#last;
    if (this.#last === null) this.#first = member;
    else this.#last.next = member;
    this.#last = member;
    this.#size++;
  }

  /** Nothing happens when `member` is in none. */
  remove(member: T): void {
    const { previous, next } = member;
    if (previous === null && this.#first !== member) return;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    member.previous = null;
    member.next = null;
    this.#size--;
  }

  /** All who are in it now. */
  all(): T[] {
    const all: T[] = [];
    for (let member = this.#first; member !== null; member = member.next) all.push(member);
    return all;
  }
}
