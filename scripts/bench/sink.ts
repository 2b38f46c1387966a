/**
 * A mail server that compares each message with what was sent and throws it away. Run by the bench, which asks it
 * for what came.
 *
 * @module
 */
import { answerRequests, tell } from "./control.ts";
import { CHUNK_OCTETS } from "./message.ts";
import { newTotals, SinkSession, type SinkTotals } from "./sink_session.ts";

/** Where it listens. */
export interface SinkReady {
  readonly port: number;
}

const SMALL_OCTETS = 4096;
/** Large buffers that no session uses now. */
const spare: Uint8Array[] = [];
const encoder = new TextEncoder();

let totals = newTotals();
let open = 0;

async function serve(connection: Deno.TcpConn): Promise<void> {
  connection.setNoDelay(true);
  const session = new SinkSession(totals);
  const small = new Uint8Array(SMALL_OCTETS);
  let large: Uint8Array | null = null;
  try {
    await connection.write(encoder.encode("220 sink ESMTP\r\n"));
    while (!session.ended) {
      if (session.bulky) large ??= spare.pop() ?? new Uint8Array(CHUNK_OCTETS);
      const buffer = session.bulky ? large! : small;
      const count = await connection.read(buffer);
      if (count === null) break;
      const replies = session.feed(buffer.subarray(0, count));
      if (replies !== "") await connection.write(encoder.encode(replies));
    }
  } catch {
    // A connection that was reset has not said QUIT: a fault like the end of the stream.
  } finally {
    session.end();
    if (large !== null) spare.push(large);
    connection.close();
  }
}

/** Waits until the sessions of a run are over, and answers what came in them. */
async function takeTotals(): Promise<SinkTotals> {
  const deadline = performance.now() + 5000;
  while (open > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
  const taken = totals;
  if (open > 0) taken.faults.push(`${open} sessions did not end`);
  totals = newTotals();
  return taken;
}

async function acceptAll(listener: Deno.TcpListener): Promise<void> {
  for await (const connection of listener) {
    open++;
    serve(connection).finally(() => open--);
  }
}

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 4096 });
  tell({ port: listener.addr.port } satisfies SinkReady);
  await Promise.race([acceptAll(listener), answerRequests(takeTotals)]);
}
