/**
 * Opens connections to the proxy and leaves them alone. Run by the bench.
 *
 * @module
 */
import { ClientSession, type Target } from "./client_session.ts";
import { answerRequests, tell } from "./control.ts";

/** `open` is answered when all connections had their greeting, or TLS and the answer to EHLO in it. */
export type IdleRequest =
  | { readonly do: "open"; readonly target: Target; readonly connections: number }
  | { readonly do: "close" };

/** Connections that are being opened at a time. */
const OPENING = 32;

let sessions: ClientSession[] = [];

async function open(target: Target, connections: number): Promise<void> {
  let begun = sessions.length;
  const wanted = begun + connections;
  const opener = async () => {
    while (begun < wanted) {
      begun++;
      const session = await ClientSession.connect(target);
      sessions.push(session);
      if (target.certificate !== null) await session.begin();
    }
  };
  await Promise.all(Array.from({ length: OPENING }, opener));
}

async function obey(request: IdleRequest): Promise<{ readonly open: number }> {
  if (request.do === "open") {
    await open(request.target, request.connections);
  } else {
    for (const session of sessions) session.close();
    sessions = [];
  }
  return { open: sessions.length };
}

if (import.meta.main) {
  tell({ ready: true });
  await answerRequests(obey);
}
