/**
 * Ports for programs that cannot ask the kernel for one.
 *
 * @module
 */
import { within } from "./processes.ts";

const START_MS = 30_000;
const RETRY_MS = 20;
/** How long one who took the connection may be silent, milliseconds. */
const SILENCE_MS = 2000;

/** `count` loopback ports that nobody listened on a moment ago. */
export function unusedPorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/**
 * Waits until whoever listens on `port` greets.
 * @throws {Error} when the program ends, or after 30 s.
 */
export async function greeted(port: number, child: Deno.ChildProcess, name: string): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  const deadline = performance.now() + START_MS;
  while (!(await greets(port))) {
    if (ended) throw new Error(`${name} ended instead of listening`);
    if (performance.now() > deadline) throw new Error(`${name} does not listen after ${START_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function greets(port: number): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return await within(connection.read(new Uint8Array(100)), "the greeting", SILENCE_MS) !== null;
  } catch {
    // Not yet.
    return false;
  }
}
