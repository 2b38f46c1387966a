import { within } from "./patience.ts";

/**
 * Settles when a connection to `address` is refused, and throws when one is still taken after a test's patience. For a
 * socket of this process that is closed: tests run side by side in one process and start programs, and a program that
 * is being started has the descriptors of all tests until it runs, so what a test closed goes on listening for a while.
 * Only for an address that nobody else may get, such as a reserved port or a Unix socket.
 */
export async function refused(address: Deno.ConnectOptions | Deno.UnixConnectOptions): Promise<void> {
  let given = false;
  const look = async () => {
    while (!given && !await refusedNow(address));
  };
  await within(look(), () => `${JSON.stringify(address)} still takes connections`, {
    giveUp: () => given = true,
  });
}

async function refusedNow(address: Deno.ConnectOptions | Deno.UnixConnectOptions): Promise<boolean> {
  try {
    (await connect(address)).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    // The last descriptor was closed between the connection and its answer.
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return false;
}

function connect(address: Deno.ConnectOptions | Deno.UnixConnectOptions): Promise<Deno.Conn> {
  return "path" in address ? Deno.connect(address) : Deno.connect(address);
}
