/** Anyone on the machine may connect, as with nginx; the directory's mode restricts that where it is to be. */
const SOCKET_MODE = 0o666;

/**
 * Listens on a Unix socket. A socket file that a dead process left behind is replaced; closing removes the file.
 * @throws what `Deno.listen` throws, `AddrInUse` when somebody answers there.
 */
export async function openUnixSocket(path: string): Promise<{ accept(): Promise<Deno.Conn>; close(): void }> {
  const socket = await listenOrReplace(path);
  Deno.chmodSync(path, SOCKET_MODE);
  return {
    accept: () => socket.accept(),
    close: () => {
      socket.close();
      removeQuietly(path);
    },
  };
}

async function listenOrReplace(path: string): Promise<Deno.UnixListener> {
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse) || !await isStale(path)) throw error;
    removeQuietly(path);
    return Deno.listen({ transport: "unix", path });
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    if (!Deno.lstatSync(path).isSocket) return false;
    (await Deno.connect({ transport: "unix", path })).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused;
  }
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Somebody has removed it; listening again tells if it matters.
  }
}
