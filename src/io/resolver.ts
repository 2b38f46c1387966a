import { formatIp, parseIp, unmapIpv4 } from "../bytes/ip_address.ts";
import type { ResolverTarget } from "../config/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { Resolver } from "../ports/resolver.ts";

/** The name is known not to be there. */
const UNAVAILABLE = "[UNAVAILABLE]";
/** Nobody could tell; another time somebody may. */
const TEMPORARILY_UNAVAILABLE = "[TEMPUNAVAIL]";

/** Addresses whose names are kept. */
const CACHE_ENTRIES = 10_000;
/** The runtime does not tell how long an answer is good, so without `valid=` this holds. */
const DEFAULT_VALID_MS = 5 * 60_000;

/** What the domain name system is asked; empty when the name or the record does not exist. */
export type Lookup = (
  name: string,
  type: "PTR" | "A" | "AAAA",
  server: { readonly host: string; readonly port: number },
  signal: AbortSignal,
) => Promise<string[]>;

/** `timeoutMs` is `resolver_timeout`: it holds for the PTR look-up and again for the look-up of the addresses. */
export function createResolver(
  target: ResolverTarget,
  timeoutMs: number,
  clock: Clock,
  lookup: Lookup = lookUpWithDeno,
): Resolver {
  const cache = new NameCache(clock, target.validMs ?? DEFAULT_VALID_MS);
  const search = new NameSearch(target, timeoutMs, clock, lookup);
  return {
    async clientHost(address, signal) {
      const parsed = parseIp(address);
      if (parsed === null) return TEMPORARILY_UNAVAILABLE; // `unix:`, as nginx does
      const client = formatIp(unmapIpv4(parsed));
      const known = cache.get(client);
      if (known !== undefined) return known;
      const name = await search.nameOf(client, signal);
      if (name !== TEMPORARILY_UNAVAILABLE) cache.set(client, name);
      return name;
    },
  };
}

/** The two look-ups of spec §2.8. */
class NameSearch {
  readonly #target: ResolverTarget;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #lookup: Lookup;

  constructor(target: ResolverTarget, timeoutMs: number, clock: Clock, lookup: Lookup) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#lookup = lookup;
  }

  async nameOf(client: string, signal: EndSignal): Promise<string> {
    const pointers = await this.#ask([[pointerName(client), "PTR"]], signal);
    if (pointers === null) return TEMPORARILY_UNAVAILABLE;
    const pointer = pointers[0];
    if (pointer === undefined) return UNAVAILABLE;
    const name = pointer.replace(/\.$/, "").toLowerCase();
    // What a PTR record holds is the client's to choose, and goes into the callout's headers and XCLIENT.
    if (!/^[a-z0-9.-]+$/.test(name)) return TEMPORARILY_UNAVAILABLE;
    const addresses = await this.#ask(this.#addressQuestions(name), signal);
    if (addresses === null) return TEMPORARILY_UNAVAILABLE;
    return addresses.some((address) => canonical(address) === client) ? name : UNAVAILABLE;
  }

  #addressQuestions(name: string): [string, "A" | "AAAA"][] {
    const questions: [string, "A" | "AAAA"][] = [];
    if (this.#target.ipv4) questions.push([name + ".", "A"]);
    if (this.#target.ipv6) questions.push([name + ".", "AAAA"]);
    return questions;
  }

  /** All answers to `questions`; null when one of them could not be had in time. */
  async #ask(
    questions: readonly [string, "PTR" | "A" | "AAAA"][],
    signal: EndSignal,
  ): Promise<string[] | null> {
    const stop = new AbortController();
    const abort = () => stop.abort();
    if (signal.aborted) return null;
    signal.addEventListener("abort", abort);
    const deadline = this.#clock.deadline(abort);
    deadline.arm(this.#timeoutMs);
    try {
      const answers = await Promise.all(
        questions.map(([name, type]) => this.#askServers(name, type, stop.signal)),
      );
      return answers.flat();
    } catch {
      // Which failure it was makes no difference to the name: it is not known now.
      stop.abort();
      return null;
    } finally {
      deadline.disarm();
      signal.removeEventListener("abort", abort);
    }
  }

  async #askServers(name: string, type: "PTR" | "A" | "AAAA", signal: AbortSignal): Promise<string[]> {
    let failure: unknown = new Error("Cannot look up a name: no server is given");
    for (const server of this.#target.servers) {
      if (signal.aborted) break;
      try {
        return await this.#lookup(name, type, server, signal);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

/** Names of addresses for a while; the oldest goes when there are too many. */
class NameCache {
  readonly #clock: Clock;
  readonly #validMs: number;
  readonly #entries = new Map<string, { readonly name: string; readonly until: number }>();

  constructor(clock: Clock, validMs: number) {
    this.#clock = clock;
    this.#validMs = validMs;
  }

  get(address: string): string | undefined {
    const entry = this.#entries.get(address);
    return entry !== undefined && entry.until > this.#clock.now() ? entry.name : undefined;
  }

  set(address: string, name: string): void {
    this.#entries.delete(address);
    if (this.#entries.size >= CACHE_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(address, { name, until: this.#clock.now() + this.#validMs });
  }
}

function canonical(address: string): string | null {
  const parsed = parseIp(address);
  return parsed === null ? null : formatIp(unmapIpv4(parsed));
}

/** RFC 1035 §3.5 and RFC 3596 §2.5. */
function pointerName(client: string): string {
  const octets = [...parseIp(client)!];
  if (octets.length === 4) return octets.reverse().join(".") + ".in-addr.arpa.";
  const digits = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return [...digits].reverse().join(".") + ".ip6.arpa.";
}

/**
 * The runtime has one error, NotFound, for a name that does not exist and for a server that failed or refused
 * (SERVFAIL, REFUSED): all of them count as not existing.
 */
async function lookUpWithDeno(...[name, type, server, signal]: Parameters<Lookup>): Promise<string[]> {
  try {
    return await Deno.resolveDns(name, type, {
      nameServer: { ipAddr: server.host, port: server.port },
      signal,
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
