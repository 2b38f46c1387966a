import { connect as connectNode, type Socket } from "node:net";
import { isIPv4 } from "@std/net/unstable-ip";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { ConnectionError, type Dialer, type SocketAddress, type Transport } from "../ports/transport.ts";
import { toConnectionError } from "./connection_errors.ts";
import { NodeSocketTransport } from "./node_socket_transport.ts";

type TcpAddress = Extract<SocketAddress, { kind: "tcp" }>;

/**
 * A dialer whose TCP connections come from `sources`, addresses of this machine, in turns (`proxy_bind`). `Deno.connect`
 * has no such option, `node:net` has. All else is done by `dialer`.
 */
export function createBoundDialer(dialer: Dialer, sources: readonly string[]): Dialer {
  const turns = [true, false].map((ipv4) => new Turns(sources.filter((source) => isIPv4(source) === ipv4)));
  return {
    resolve: (target, signal) => dialer.resolve(target, signal),
    startTls: (plain, options) => dialer.startTls(plain, options),
    async connect(target, signal) {
      if (target.kind === "unix") return await dialer.connect(target, signal);
      let lost: unknown = new ConnectionError(
        "not_found",
        `Cannot connect to ${formatSocketAddress(target)}`,
      );
      for (const address of await dialer.resolve(target, signal) as readonly TcpAddress[]) {
        try {
          return await connectFrom(turns[isIPv4(address.host) ? 0 : 1]!.next(), address, signal);
        } catch (error) {
          lost = error;
        }
      }
      throw lost;
    },
  };
}

/** Values one after the other, again and again. */
class Turns {
  readonly #values: readonly string[];
  #at = 0;

  constructor(values: readonly string[]) {
    this.#values = values;
  }

  /** Null when there are none. */
  next(): string | null {
    return this.#values[this.#at++ % this.#values.length] ?? null;
  }
}

async function connectFrom(
  source: string | null,
  target: TcpAddress,
  signal: AbortSignal,
): Promise<Transport> {
  const name = formatSocketAddress(target);
  if (source === null) {
    throw new ConnectionError(
      "unreachable",
      `Cannot connect to ${name}: no address of its family to come from`,
    );
  }
  if (signal.aborted) throw new ConnectionError("closed", `Cannot connect to ${name}: given up`);
  const socket = connectNode({
    host: target.host,
    port: target.port,
    localAddress: source,
    allowHalfOpen: true,
    noDelay: true,
  });
  try {
    await connected(socket, signal);
    return new NodeSocketTransport(socket, target);
  } catch (error) {
    socket.destroy();
    throw toConnectionError(error, `connect to ${name} from ${source}`);
  }
}

function connected(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new ConnectionError("closed", "Cannot connect: given up"));
    const settled = () => {
      signal.removeEventListener("abort", abort);
      socket.off("connect", settled);
      resolve();
    };
    signal.addEventListener("abort", abort);
    socket.once("connect", settled);
    // It stays: an 'error' event that nobody hears would end the process.
    socket.on("error", (error) => {
      signal.removeEventListener("abort", abort);
      reject(error);
    });
  });
}
