/**
 * Sends messages, a number of sessions at a time, and measures them. Run by the bench.
 *
 * @module
 */
import { ClientSession, type Target } from "./client_session.ts";
import { answerRequests, tell } from "./control.ts";

/** Sessions to be run. */
export interface LoadRequest {
  readonly target: Target;
  /** How many, or for how long sessions are begun. */
  readonly amount: { readonly sessions: number } | { readonly seconds: number };
  /** Sessions at a time. */
  readonly concurrency: number;
  /** Lengths of the messages, taken in turn. */
  readonly octets: readonly number[];
}

/** What came of a {@linkcode LoadRequest}. */
export interface LoadAnswer {
  readonly messages: number;
  readonly octets: number;
  readonly seconds: number;
  /** Time from connect to the answer to QUIT of each session, milliseconds, ascending. */
  readonly latenciesMs: readonly number[];
}

async function run({ target, amount, concurrency, octets }: LoadRequest): Promise<LoadAnswer> {
  const latenciesMs: number[] = [];
  let begun = 0;
  let sent = 0;
  const start = performance.now();
  const wanted = "sessions" in amount
    ? () => begun < amount.sessions
    : () => performance.now() - start < amount.seconds * 1000;
  const client = async () => {
    while (wanted()) {
      const length = octets[begun++ % octets.length]!;
      const connectedAt = performance.now();
      const session = await ClientSession.connect(target);
      await session.begin();
      await session.send(length);
      session.close();
      latenciesMs.push(performance.now() - connectedAt);
      sent += length;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  const seconds = (performance.now() - start) / 1000;
  return {
    messages: latenciesMs.length,
    octets: sent,
    seconds,
    latenciesMs: latenciesMs.sort((a, b) => a - b),
  };
}

if (import.meta.main) {
  tell({ ready: true });
  await answerRequests(run);
}
