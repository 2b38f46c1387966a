import { isIPv4, isIPv6 } from "@std/net/unstable-ip";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { lookup } from "node:dns/promises";
import type { Dialer, SocketAddress, Transport } from "../ports/transport.ts";
import { toConnectionError } from "./connection_errors.ts";
import { SocketTransport } from "./socket_transport.ts";
import { startTls, startTlsWithStreams } from "./tls_starter.ts";

/**
 * Opens TCP and Unix connections, and TLS on them. Of a host name all addresses are tried (RFC 8305). With `engine` the
 * streams are still taken where the runtime has no engine.
 */
export function createDialer(way: "engine" | "streams" = "engine"): Dialer {
  return { resolve, connect, startTls: way === "engine" ? startTls : startTlsWithStreams };
}

async function resolve(target: SocketAddress, signal: AbortSignal): Promise<readonly SocketAddress[]> {
  if (target.kind === "unix" || isAddress(target.host)) return [target];
  const { port } = target;
  try {
    const found = await unlessAborted(lookup(target.host, { all: true, order: "verbatim" }), signal);
    return found.map(({ address }) => ({ kind: "tcp", host: address, port }));
  } catch (error) {
    throw toConnectionError(error, `find ${target.host}`);
  }
}

/** The system's look-up cannot be stopped, only left alone. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function connect(target: SocketAddress, signal: AbortSignal): Promise<Transport> {
  return open(target, signal).then(
    (socket) => new SocketTransport(socket),
    (error) => {
      throw toConnectionError(error, `connect to ${formatSocketAddress(target)}`);
    },
  );
}

function open(target: SocketAddress, signal: AbortSignal): Promise<Deno.Conn> {
  if (signal.aborted) return Promise.reject(signal.reason);
  if (target.kind === "unix") return Deno.connect({ transport: "unix", path: target.path });
  const { host, port } = target;
  // There is nothing to choose among for an address, and choosing takes timers.
  return Deno.connect({ hostname: host, port, signal, autoSelectFamily: !isAddress(host) });
}

/** For addresses and host names of the configuration or the callout, whose syntax was checked before. */
function isAddress(host: string): boolean {
  return isIPv4(host) || isIPv6(host);
}
