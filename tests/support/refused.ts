import { until } from "./patience.ts";

type Address = Deno.ConnectOptions | Deno.UnixConnectOptions;

/**
 * Settles when a connection to `address` is refused, and throws when one is still taken after a test's patience. For a
 * socket of this process that is closed: tests run side by side in one process and start programs, and a program that
 * is being started has the descriptors of all tests until it runs, so what a test closed goes on listening for a while.
 * Only for an address that nobody else may get, such as a reserved port or a Unix socket.
 */
export function refused(address: Address): Promise<void> {
  return until(() => isRefused(address), () => `${JSON.stringify(address)} still takes connections`);
}

async function isRefused(address: Address): Promise<boolean> {
  try {
    // The declared type wants it known which of them it is.
    (await Deno.connect(address as Deno.ConnectOptions)).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    // The last descriptor was closed between the connection and its answer.
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return false;
}
