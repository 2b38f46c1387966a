import type { EndSignal } from "./end_signal.ts";

/** Finds the client's host name (nginx `resolver`). */
export interface Resolver {
  /**
   * PTR name of `address`, confirmed by a forward look-up, lower-case, without the final dot; or `[UNAVAILABLE]`
   * or `[TEMPUNAVAIL]` (spec §2.8). Never rejects.
   */
  clientHost(address: string, signal: EndSignal): Promise<string>;
}
