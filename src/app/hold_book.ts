import { encodeUtf8AsByteString } from "../bytes/latin1.ts";
import { foldCase } from "../driver/sign_in_holds.ts";
import type { Clock, Deadline } from "../ports/clock.ts";

/** A user who is held back, as `GET /holds` tells it. */
export interface Hold {
  readonly user: string;
  /** ISO 8601. */
  readonly since: string;
  /** When he is released by himself. */
  readonly until: string;
}

/** Users that can be held at a time: every thread looks them up, and a script may run wild. */
const MOST_HOLDS = 10_000;

/** Which users are held, for the whole process; the threads are told of every change. */
export class HoldBook {
  readonly #held = new Map<string, { readonly hold: Hold; readonly end: Deadline }>();
  readonly #clock: Clock;
  readonly #tell: (users: readonly string[]) => void;
  readonly #over: (user: string) => void;

  /**
   * `tell` is given the names of all held users as byte strings whenever they change, `over` the name of one whose
   * time is over.
   */
  constructor(clock: Clock, tell: (users: readonly string[]) => void, over: (user: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#over = over;
  }

  /** The held users, in the order in which they were. */
  get holds(): readonly Hold[] {
    return [...this.#held.values()].map(({ hold }) => hold);
  }

  /** Their names as byte strings. */
  get users(): readonly string[] {
    return [...this.#held.keys()].map(encodeUtf8AsByteString);
  }

  /** Holds a user for `seconds`, from now on also when he is held already; null when too many are. */
  hold(name: string, seconds: number): Hold | null {
    const user = foldCase(name);
    if (!this.#held.has(user) && this.#held.size >= MOST_HOLDS) return null;
    this.#held.get(user)?.end.disarm();
    const now = this.#clock.now();
    const until = new Date(now + seconds * 1000).toISOString();
    const hold = { user, since: new Date(now).toISOString(), until };
    const end = this.#clock.deadline(() => {
      if (this.release(user)) this.#over(user);
    });
    end.arm(seconds * 1000);
    this.#held.set(user, { hold, end });
    this.#tell(this.users);
    return hold;
  }

  /** Lets his sign-ins go on; false when he was not held. */
  release(name: string): boolean {
    const user = foldCase(name);
    const held = this.#held.get(user);
    if (held === undefined) return false;
    held.end.disarm();
    this.#held.delete(user);
    this.#tell(this.users);
    return true;
  }

  /** Releases all. */
  close(): void {
    for (const { end } of this.#held.values()) end.disarm();
    this.#held.clear();
  }
}
