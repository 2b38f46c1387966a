/** Anyone on the machine may connect, as with nginx; the directory's mode restricts that where it is to be. */
const SOCKET_MODE = 0o666;

/**
 * Listens on a Unix socket. A socket file that a dead process left behind is replaced, and with `takeOver` that of a
 * living one too: it keeps the connections that wait in its queue, and gets no more. Closing removes the file unless
 * somebody has taken over.
 * @throws what `Deno.listen` throws, `AddrInUse` when somebody answers there.
 */
export async function openUnixSocket(
  path: string,
  takeOver: boolean,
): Promise<{ accept(): Promise<Deno.Conn>; close(): void }> {
  const socket = takeOver ? listenInPlaceOf(path) : await listenOrReplace(path);
  if (!takeOver) Deno.chmodSync(path, SOCKET_MODE);
  const own = inodeOf(path);
  return {
    accept: () => socket.accept(),
    close: () => {
      socket.close();
      if (inodeOf(path) === own) removeQuietly(path);
    },
  };
}

/** A name that leads to another socket from one moment to the next is never missing. */
function listenInPlaceOf(path: string): Deno.UnixListener {
  const own = `${path}.${Deno.pid}`;
  removeQuietly(own);
  const socket = Deno.listen({ transport: "unix", path: own });
  try {
    Deno.chmodSync(own, SOCKET_MODE);
    if (!isSocketOrMissing(path)) throw new Deno.errors.AddrInUse(`${path} is no socket`);
    Deno.renameSync(own, path);
    return socket;
  } catch (error) {
    socket.close();
    removeQuietly(own);
    throw error;
  }
}

function isSocketOrMissing(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

function inodeOf(path: string): number | null {
  try {
    return Deno.lstatSync(path).ino;
  } catch {
    return null;
  }
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
