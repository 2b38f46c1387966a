import type { Clock } from "../ports/clock.ts";
import { ConnectionError, type Connector, type SocketAddress, type Transport } from "../ports/transport.ts";

/** How long one address may take before the next is tried beside it (RFC 8305 §5, Connection Attempt Delay). */
export const ATTEMPT_DELAY_MS = 250;

/** Which address took the connection. */
export interface Reached {
  readonly address: SocketAddress;
  readonly transport: Transport;
}

/**
 * Connects to the first of `addresses` that answers, trying one after the other without waiting long for any
 * (RFC 8305 §5). Connections that come too late are closed. `failed` is told of each that fails.
 * @throws {ConnectionError} of the address that failed last.
 */
export function connectFirst(
  addresses: readonly SocketAddress[],
  ports: { readonly clock: Clock; readonly dialer: Connector },
  signal: AbortSignal,
  failed: (address: SocketAddress) => unknown,
): Promise<Reached> {
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    const patience = ports.clock.deadline(begin);
    let begun = 0;
    let pending = 0;
    let over = false;
    let lastError: unknown = new ConnectionError("not_found", "Cannot connect: there is no address");

    function end(settle: () => void): void {
      over = true;
      patience.disarm();
      signal.removeEventListener("abort", abort);
      // Settled first: what is given up now fails, and is not to be told of.
      settle();
      ended.abort();
    }
    function abort(): void {
      end(() => reject(new ConnectionError("closed", "Cannot connect: given up")));
    }
    function begin(): void {
      const address = addresses[begun++];
      if (address === undefined) {
        if (pending === 0) end(() => reject(lastError));
        return;
      }
      pending++;
      if (begun < addresses.length) patience.arm(ATTEMPT_DELAY_MS);
      ports.dialer.connect(address, ended.signal).then((transport) => {
        if (over) transport.close();
        else end(() => resolve({ address, transport }));
      }, (error) => {
        pending--;
        if (over) return;
        lastError = error;
        failed(address);
        if (begun < addresses.length || pending === 0) begin();
      });
    }

    if (signal.aborted) return reject(new ConnectionError("closed", "Cannot connect: given up"));
    signal.addEventListener("abort", abort);
    begin();
  });
}
