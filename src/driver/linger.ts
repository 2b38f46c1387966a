import type { Clock } from "../ports/clock.ts";
import type { Transport } from "../ports/transport.ts";

/** How long, in milliseconds, and how far, in octets, a peer's late data is read and thrown away. */
export const LINGER_MS = 2_000;
const LINGER_OCTETS = 1_048_576;
/** Most peers have nothing more to say. */
const LINGER_READ_OCTETS = 512;

/**
 * Closes so that the last reply arrives: a socket closed with unread input is reset by the kernel, and the peer's
 * kernel then drops what it had received. Our direction is ended first, then input is discarded until the peer
 * ends its own, or a bound is reached. Never rejects.
 */
export async function closeLingering(transport: Transport, clock: Clock): Promise<void> {
  const deadline = clock.deadline(() => transport.close());
  deadline.arm(LINGER_MS);
  try {
    await transport.closeWrite();
    await readToEnd(transport);
  } finally {
    deadline.disarm();
    transport.close();
  }
}

/** Throws input away until the peer ends its direction, somebody closes the connection, or it is too much. Never rejects. */
async function readToEnd(transport: Transport): Promise<void> {
  try {
    const sink = new Uint8Array(LINGER_READ_OCTETS);
    let octets = 0;
    while (octets < LINGER_OCTETS) {
      const count = await transport.read(sink);
      if (count === null) break;
      octets += count;
    }
  } catch {
    // The peer is gone, or the deadline closed the connection: either way there is nobody left to be polite to.
  }
}
