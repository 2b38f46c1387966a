import { formatIp, isLoopback, parseIp, unmapIpv4 } from "../bytes/ip_address.ts";
import type { SocketAddress } from "../ports/transport.ts";

/** How long the addresses of the machine are taken for known, milliseconds. */
const INTERFACES_MS = 10_000;

/** Where this process listens, so that it never talks to itself. */
export class OwnListeners {
  /** Hosts by port, as octets. */
  readonly #hosts = new Map<number, Uint8Array[]>();
  readonly #paths = new Set<string>();
  readonly #interfaces: () => readonly string[];
  #local: ReadonlySet<string> | null = null;
  #readAt = 0;

  /** `interfaces` gives the addresses of the machine. */
  constructor(interfaces: () => readonly string[] = readInterfaces) {
    this.#interfaces = interfaces;
  }

  /** Says where is listened from now on, with real ports. */
  replace(listeners: readonly SocketAddress[]): void {
    this.#hosts.clear();
    this.#paths.clear();
    for (const listener of listeners) {
      if (listener.kind === "unix") {
        this.#paths.add(realPath(listener.path));
        continue;
      }
      const host = octetsOf(listener.host);
      if (host === null) continue;
      const hosts = this.#hosts.get(listener.port);
      if (hosts === undefined) this.#hosts.set(listener.port, [host]);
      else hosts.push(host);
    }
  }

  /** Whether a connection to `address`, which is no host name, would come to one of the listeners. */
  has(address: SocketAddress): boolean {
    if (address.kind === "unix") return this.#paths.size > 0 && this.#paths.has(realPath(address.path));
    const listeners = this.#hosts.get(address.port);
    if (listeners === undefined) return false;
    const target = octetsOf(address.host);
    if (target === null) return false;
    return listeners.some((listener) => {
      // Whoever connects to no address in particular comes to the loopback interface.
      if (isUnspecified(target)) return isUnspecified(listener) || isLoopback(listener);
      if (!isUnspecified(listener)) return isSame(listener, target);
      // [::] takes IPv4 too, 0.0.0.0 takes nothing else.
      return listener.length >= target.length && this.#isLocal(target);
    });
  }

  #isLocal(address: Uint8Array): boolean {
    if (isLoopback(address)) return true;
    const now = performance.now();
    if (this.#local === null || now - this.#readAt > INTERFACES_MS) {
      this.#readAt = now;
      this.#local = new Set(
        this.#interfaces().map(octetsOf).filter((host) => host !== null).map(formatIp),
      );
    }
    return this.#local.has(formatIp(address));
  }
}

function readInterfaces(): readonly string[] {
  try {
    return Deno.networkInterfaces().map(({ address }) => address);
  } catch {
    // Without --allow-sys only the loopback addresses are known.
    return [];
  }
}

/** The octets of an address; an IPv4-mapped one is the IPv4 address that it stands for. */
function octetsOf(host: string): Uint8Array | null {
  const address = parseIp(host.replace(/%.*$/, ""));
  return address === null ? null : unmapIpv4(address);
}

function isUnspecified(address: Uint8Array): boolean {
  return address.every((octet) => octet === 0);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, at) => octet === b[at]);
}

/** The name of a file without detours, or as it is when there is no such file. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}
