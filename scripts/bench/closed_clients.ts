/**
 * Clients whose sessions are over.
 *
 * @module
 */
import { openDescriptors } from "./accounting.ts";

/** Most that the load generator has open between two runs, with some that are still to be closed. */
const FEW_DESCRIPTORS = 100;
const POLL_MS = 20;
const DEADLINE_MS = 60_000;

/**
 * Waits until a program of the bench has closed the connections of its sessions.
 *
 * The runtime's `TlsConn` is not closed when it is: one of the runtime's 32 threads for blocking work sleeps 100 ms
 * first and closes the socket then, however the connection ended (Deno 2.9.6; also after `closeWrite()` and a read of
 * the end). So 320 of them are closed in a second, sessions that end faster leave descriptors behind, and some
 * 20,000 in one go end with EMFILE.
 * @throws {Error} when they stay open.
 */
export async function allClosed(pid: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (openDescriptors(pid) > FEW_DESCRIPTORS) {
    if (performance.now() > deadline) throw new Error(`Process ${pid} does not close its connections`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
