/**
 * Tells who does something for a session, or waits for it, that the session has ended: what of an `AbortSignal` is
 * used, and one of them does as well.
 */
export interface EndSignal {
  readonly aborted: boolean;
  /** Has `listener` called when it ends, once; never when it has ended. */
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
