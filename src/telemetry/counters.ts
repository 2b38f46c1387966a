/**
 * Counters that belong together.
 *
 * @module
 */
import type { SessionOutcome } from "../ports/telemetry.ts";
import type { Sample } from "./exposition.ts";

/** Bound of the distinct listeners and upstream stages, both from closed sets elsewhere. */
const MAX_NAMES = 256;

/** Connections of one listener. */
export class ListenerCounters {
  opened = 0;
  readonly closed: Record<SessionOutcome, number> = {
    relayed: 0,
    quit: 0,
    client_closed: 0,
    timeout: 0,
    too_many_errors: 0,
    early_talker: 0,
    line_too_long: 0,
    proxy_header: 0,
    tls_failed: 0,
    certificate: 0,
    refused: 0,
    auth_unavailable: 0,
    upstream_failed: 0,
    relay_timeout: 0,
    shutdown: 0,
    internal_error: 0,
  };
}

/** How often something went well, and how often not. */
export class ResultCounters {
  ok = 0;
  failed = 0;

  count(ok: boolean): void {
    if (ok) this.ok++;
    else this.failed++;
  }
  /** Both counts, with `label` set to `value`. */
  samples(label: string, value: string): Sample[] {
    return [
      { labels: { [label]: value, result: "ok" }, value: this.ok },
      { labels: { [label]: value, result: "failed" }, value: this.failed },
    ];
  }
}

/** Counters made at the first use of a name, at most {@linkcode MAX_NAMES}; further names share `other`. */
export class NamedCounters<T> {
  readonly #make: () => T;
  readonly #byName = new Map<string, T>();

  constructor(make: () => T) {
    this.#make = make;
  }

  of(name: string): T {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#byName.size >= MAX_NAMES && name !== "other") return this.of("other");
    const made = this.#make();
    this.#byName.set(name, made);
    return made;
  }

  entries(): Iterable<[string, T]> {
    return this.#byName.entries();
  }
}
