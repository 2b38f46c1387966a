/**
 * Whether new connections are to come here (`GET /readyz`).
 *
 * @module
 */
import type { Config } from "../config/settings.ts";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Clock } from "../ports/clock.ts";
import type { Dialer, SocketAddress } from "../ports/transport.ts";
import type { MetricMemory } from "../telemetry/metric_memory.ts";
import { FAILED, OK } from "../telemetry/metric_memory.ts";
import type { Verdict } from "./admin_routes.ts";

/** How long an answer to a session says that the service is well. */
const ANSWER_MS = 60_000;
/** How long a failed question of a session says that the service is down; then it is looked at again. */
const FAILURE_MS = 10_000;
/** How long a look at the services holds. */
const LOOK_MS = 2_000;
/** How long a service may take to accept a connection. */
const CONNECT_MS = 2_000;

/** What is needed to decide. */
export interface ReadinessPorts {
  readonly clock: Clock;
  readonly dialer: Dialer;
  /** The counters of all threads, which know when a service answered last. */
  readonly blocks: () => readonly MetricMemory[];
}

/**
 * Decides by what the sessions found when they asked; where that is too old, or nobody asked yet, by whether a
 * service accepts connections.
 */
export class CalloutReadiness {
  readonly #ports: ReadinessPorts;
  #looked: { readonly at: number; readonly verdict: Promise<Verdict> } | null = null;

  constructor(ports: ReadinessPorts) {
    this.#ports = ports;
  }

  /** Whether any auth service of `config` answers. */
  async verdict({ servers }: Config): Promise<Verdict> {
    // Users of the file need no service.
    if (servers.some(({ auth_http }) => auth_http === null)) return READY;
    const services = servers.flatMap(({ auth_http }) => auth_http ?? []).map(({ address }) => address);
    const [answered, failed] = this.#lastTimes();
    const now = this.#ports.clock.now();
    if (answered > failed && answered > now - ANSWER_MS) return READY;
    if (failed > answered && failed > now - FAILURE_MS) {
      return { ok: false, text: "the auth service failed when it was last asked" };
    }
    const addresses = new Map(services.map((address) => [formatSocketAddress(address), address]));
    return await this.#look([...addresses.values()]);
  }

  #lastTimes(): [answered: number, failed: number] {
    const times = this.#ports.blocks().map(({ calloutTimes }) => calloutTimes);
    return [
      Math.max(0, ...times.map((time) => time[OK]!)),
      Math.max(0, ...times.map((time) => time[FAILED]!)),
    ];
  }

  async #look(addresses: readonly SocketAddress[]): Promise<Verdict> {
    const now = this.#ports.clock.now();
    if (this.#looked === null || this.#looked.at < now - LOOK_MS) {
      this.#looked = { at: now, verdict: this.#connectToAny(addresses) };
    }
    return await this.#looked.verdict;
  }

  async #connectToAny(addresses: readonly SocketAddress[]): Promise<Verdict> {
    const late = new AbortController();
    const deadline = this.#ports.clock.deadline(() => late.abort());
    deadline.arm(CONNECT_MS);
    try {
      await Promise.any(addresses.map(async (address) => {
        (await this.#ports.dialer.connect(address, late.signal)).close();
      }));
      return READY;
    } catch {
      return { ok: false, text: "no auth service accepts connections" };
    } finally {
      deadline.disarm();
      late.abort();
    }
  }
}

const READY: Verdict = { ok: true, text: "ready" };
