/**
 * Opens the first mail server of several that works.
 *
 * Servers are tried in their order, of a host name its addresses; those that failed lately come last. What is told to
 * the client comes from the last try, and nothing was told to it before.
 *
 * @module
 */
import { parseIp } from "../bytes/ip_address.ts";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { decideOnNext } from "../policy/next_upstream.ts";
import type { Clock } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import { ConnectionError, type Connector, type Dialer, type SocketAddress } from "../ports/transport.ts";
import type { BufferPool } from "./buffer_pool.ts";
import { connectFirst } from "./connect_first.ts";
import { openUpstream, type UpstreamRequest, type UpstreamResult } from "./open_upstream.ts";
import type { UpstreamHealth } from "./upstream_health.ts";

/** `proxy_next_upstream` and its like; times in milliseconds. */
export interface TryRules {
  readonly next: boolean;
  /** 0 for as many as there are. */
  readonly tries: number;
  /** In which tries may begin; 0 for no limit. */
  readonly timeoutMs: number;
  /** How long a server that failed is left alone. */
  readonly restMs: number;
}

export type FailedUpstream = Extract<UpstreamResult, { kind: "failed" }>;

/** Who is told what happens. */
export interface TryListener {
  /** A try begins; the server as it was named. */
  trying(server: SocketAddress): void;
  /** A server is given up for the next one. */
  failedOver(failure: FailedUpstream, server: SocketAddress): void;
  /** A server is left alone from now on, or is good again. */
  resting(address: SocketAddress, rests: boolean): void;
}

export interface TryPorts {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly buffers: BufferPool;
  readonly health: UpstreamHealth;
  readonly isOwnListener: (address: SocketAddress) => boolean;
}

/** A server as it was named, and those of its addresses that are left to try. */
interface Candidate {
  readonly server: SocketAddress;
  readonly addresses: readonly SocketAddress[];
}

/** Runs the whole way. Never rejects; when it fails, no connection is left open. `signal` ends it early. */
export function openFirstUpstream(
  servers: readonly SocketAddress[],
  request: (server: SocketAddress) => UpstreamRequest,
  rules: TryRules,
  listener: TryListener,
  ports: TryPorts,
  signal: EndSignal,
): Promise<UpstreamResult> {
  return new Tries(request, rules, listener, ports, signal).run(servers);
}

class Tries {
  readonly #request: (server: SocketAddress) => UpstreamRequest;
  readonly #rules: TryRules;
  readonly #listener: TryListener;
  readonly #ports: TryPorts;
  readonly #signal: EndSignal;
  readonly #began: number;
  #tries = 0;
  /** The failure that holds when nobody is left to try. */
  #last: FailedUpstream | null = null;
  #lastServer: SocketAddress | null = null;

  constructor(
    request: (server: SocketAddress) => UpstreamRequest,
    rules: TryRules,
    listener: TryListener,
    ports: TryPorts,
    signal: EndSignal,
  ) {
    this.#request = request;
    this.#rules = rules;
    this.#listener = listener;
    this.#ports = ports;
    this.#signal = signal;
    this.#began = ports.clock.now();
  }

  run(servers: readonly SocketAddress[]): Promise<UpstreamResult> {
    const [first] = servers;
    const single = servers.length === 1 && first !== undefined && !isName(first);
    return single && !this.#ports.isOwnListener(first) ? this.#tryOnly(first) : this.#tryEach(servers);
  }

  /** As a rule there is one address, and nothing to choose: whatever comes of it is the end. */
  #tryOnly(server: SocketAddress): Promise<UpstreamResult> {
    return openUpstream(this.#begin(server), this.#ports, this.#signal).then((result) => {
      if (result.kind === "ready") this.#works(server);
      return result;
    });
  }

  async #tryEach(servers: readonly SocketAddress[]): Promise<UpstreamResult> {
    const { health } = this.#ports;
    const resting: Candidate[] = [];
    for (const server of servers) {
      const found = isName(server) ? await this.#resolved(server) : [server];
      const addresses = found.length === 0 ? found : this.#withoutOwn(found, server);
      const awake = addresses.filter((address) => !health.rests(address));
      if (awake.length < addresses.length) {
        resting.push({ server, addresses: addresses.filter((address) => !awake.includes(address)) });
      }
      const result = await this.#tryAll({ server, addresses: awake }, servers.length > 1);
      if (result !== null) return result;
      if (addresses.length === 0 && !this.#rules.next) break;
    }
    // Better a server that failed a moment ago than none.
    for (const candidate of resting) {
      const result = await this.#tryAll(candidate, servers.length > 1);
      if (result !== null) return result;
    }
    return this.#last ?? failed("not_found", "upstream has no address");
  }

  /** The addresses that the name of a server stands for; for none, the failure is kept. */
  async #resolved(server: SocketAddress): Promise<readonly SocketAddress[]> {
    this.#listener.trying(server);
    const resolved = await this.#resolve(server);
    if (!(resolved instanceof ConnectionError)) return resolved;
    this.#keep(failed(resolved.code, resolved.message), server);
    return [];
  }

  /** Those where Postern itself does not listen; for none, the failure is kept. */
  #withoutOwn(found: readonly SocketAddress[], server: SocketAddress): readonly SocketAddress[] {
    const others = found.filter((address) => !this.#ports.isOwnListener(address));
    if (others.length === 0) {
      const name = formatSocketAddress(server);
      const message = `upstream ${name} is a listener of this Postern, mail to it would go round in circles`;
      this.#keep(failed("own_listener", message), server);
    }
    return others;
  }

  async #resolve(server: SocketAddress): Promise<readonly SocketAddress[] | ConnectionError> {
    const ended = new AbortController();
    const end = () => ended.abort();
    let late = false;
    const deadline = this.#ports.clock.deadline(() => {
      late = true;
      end();
    });
    deadline.arm(this.#request(server).connectTimeoutMs);
    this.#signal.addEventListener("abort", end);
    if (this.#signal.aborted) end();
    try {
      return await this.#ports.dialer.resolve(server, ended.signal);
    } catch (error) {
      if (late) return new ConnectionError("timeout", "upstream timed out");
      if (error instanceof ConnectionError) return error;
      throw error;
    } finally {
      deadline.disarm();
      this.#signal.removeEventListener("abort", end);
    }
  }

  /** Tries the addresses of one server; null when the next one is to be tried. */
  async #tryAll({ server, addresses }: Candidate, others: boolean): Promise<UpstreamResult | null> {
    let left = addresses;
    while (left.length > 0) {
      if (this.#exhausted) return this.#last;
      // Where there is no other, nothing is gained by leaving one alone.
      const choosing = others || addresses.length > 1;
      const request = this.#begin(server);
      const { result, reached, used } = left.length === 1 && left[0] === server
        ? { result: await openUpstream(request, this.#ports, this.#signal), reached: server, used: left }
        : await this.#openFirst(request, left, choosing);
      if (result.kind === "ready") {
        this.#works(reached);
        return result;
      }
      const { code, about, reply } = result;
      const decision = decideOnNext({ code, about, reply: reply?.code ?? null });
      if (decision.rest && choosing) this.#rest(used);
      if (!decision.next || !this.#rules.next) return result;
      this.#keep(result, server);
      left = left.filter((address) => !used.includes(address));
    }
    return null;
  }

  /** A try begins. */
  #begin(server: SocketAddress): UpstreamRequest {
    if (this.#last !== null) this.#listener.failedOver(this.#last, this.#lastServer!);
    this.#listener.trying(server);
    this.#tries++;
    return this.#request(server);
  }

  /** One try, with whichever of the addresses takes the connection first. */
  async #openFirst(
    request: UpstreamRequest,
    addresses: readonly SocketAddress[],
    choosing: boolean,
  ): Promise<Try> {
    const { dialer } = this.#ports;
    const used: SocketAddress[] = [];
    let reached: SocketAddress | null = null;
    const failed = (address: SocketAddress) => {
      used.push(address);
      if (choosing) this.#rest([address]);
    };
    const chosen: Connector = {
      startTls: (plain, options) => dialer.startTls(plain, options),
      connect: async (_server, signal) => {
        const first = await connectFirst(addresses, this.#ports, signal, failed);
        used.push(reached = first.address);
        return first.transport;
      },
    };
    const result = await openUpstream(request, { ...this.#ports, dialer: chosen }, this.#signal);
    return reached === null
      ? { result, reached: request.target, used: addresses }
      : { result, reached, used };
  }

  #works(address: SocketAddress): void {
    if (this.#ports.health.succeeded(address)) this.#listener.resting(address, false);
  }

  #rest(addresses: readonly SocketAddress[]): void {
    for (const address of addresses) {
      if (this.#ports.health.failed(address, this.#rules.restMs)) this.#listener.resting(address, true);
    }
  }

  #keep(failure: FailedUpstream, server: SocketAddress): void {
    this.#last = failure;
    this.#lastServer = server;
  }

  get #exhausted(): boolean {
    if (this.#last === null) return false;
    const { tries, timeoutMs } = this.#rules;
    return this.#signal.aborted || (tries > 0 && this.#tries >= tries) ||
      (timeoutMs > 0 && this.#ports.clock.now() - this.#began >= timeoutMs);
  }
}

interface Try {
  readonly result: UpstreamResult;
  readonly reached: SocketAddress;
  /** Addresses that are not to be tried again. */
  readonly used: readonly SocketAddress[];
}

/** Whether the server's address has to be found first. */
function isName(server: SocketAddress): boolean {
  return server.kind === "tcp" && parseIp(server.host) === null;
}

/** A failure before any connection. */
function failed(code: string, message: string): FailedUpstream {
  return { kind: "failed", stage: "connecting to upstream", code, message, about: "server", reply: null };
}
