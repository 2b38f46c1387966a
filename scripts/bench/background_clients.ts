/**
 * Clients that take their time, for as long as something else is measured. Run by the bench.
 *
 * @module
 */
import { ClientSession, type Target } from "./client_session.ts";
import { answerRequests, tell } from "./control.ts";

/** `begin` is answered when all clients are connected, `end` when their sessions are over. */
export type BackgroundRequest =
  | { readonly do: "begin"; readonly target: Target; readonly clients: number; readonly octets: number }
  | { readonly do: "end" };

/** What came of the sessions, in the answer to `end`. */
export interface BackgroundAnswer {
  readonly messages: number;
  readonly octets: number;
  /** Time from `begin` to the end of the last session. */
  readonly seconds: number;
}

/** Commands of the shortest session, to spread the beginnings of sessions over the length of one. */
const COMMANDS = 5;

let ending = false;
let begunAt = 0;
let running: Promise<number[]> = Promise.resolve([]);
let octets = 0;

/** One session after the other; the number of messages that were sent. */
async function keepSending(target: Target, delayMs: number, connected: () => void): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  let messages = 0;
  while (!ending || messages === 0) {
    const session = await ClientSession.connect(target);
    connected();
    await session.begin();
    await session.send(octets);
    session.close();
    messages++;
  }
  return messages;
}

async function begin(target: Target, clients: number): Promise<void> {
  ending = false;
  begunAt = performance.now();
  const spreadMs = COMMANDS * target.pauseMs;
  const allConnected: Promise<void>[] = [];
  running = Promise.all(Array.from({ length: clients }, (_, i) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    allConnected.push(promise);
    return keepSending(target, i * spreadMs / clients, resolve);
  }));
  await Promise.race([running, Promise.all(allConnected)]);
}

async function obey(request: BackgroundRequest): Promise<BackgroundAnswer | Record<string, never>> {
  if (request.do === "begin") {
    octets = request.octets;
    await begin(request.target, request.clients);
    return {};
  }
  ending = true;
  const messages = (await running).reduce((sum, count) => sum + count, 0);
  return { messages, octets: messages * octets, seconds: (performance.now() - begunAt) / 1000 };
}

if (import.meta.main) {
  tell({ ready: true });
  await answerRequests(obey);
}
