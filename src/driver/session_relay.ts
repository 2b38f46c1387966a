/**
 * What the session of a client has with its mail server, from when that is ready.
 *
 * @module
 */
import type { SessionOutcome } from "../ports/telemetry.ts";
import { RelayGuard } from "../session/relay_guard.ts";
import type { ClientSession } from "./client_session.ts";
import { GuardedFlow } from "./guarded_flow.ts";
import { countRecipient, tellGuardNote } from "./guard_notes.ts";
import type { UpstreamResult } from "./open_upstream.ts";
import { relay, type RelayProgress, type RelayResult } from "./relay.ts";

const NO_OCTETS = new Uint8Array(0);
const NOTHING_RELAYED: RelayProgress = () => [0, 0];

type ReadyUpstream = Extract<UpstreamResult, { kind: "ready" }>;

/** A mail server that is ready for the client, and the relay between them. */
export class SessionRelay {
  readonly #upstream: ReadyUpstream;
  readonly #session: ClientSession;
  /** The relay under the guard: says whether a message is in flight, and answers idle clients. */
  #guarded: GuardedFlow | null = null;
  /** Octets that the relay had passed on when a drain looked at it. */
  #octetsSeen = -1;
  #progress: RelayProgress = NOTHING_RELAYED;
  #result: RelayResult | null = null;

  constructor(upstream: ReadyUpstream, session: ClientSession) {
    this.#upstream = upstream;
    this.#session = session;
  }

  /** Octets so far, to the mail server and to the client. */
  get progress(): ReturnType<RelayProgress> {
    return this.#progress();
  }

  /** How it went; null until it is over. */
  get result(): RelayResult | null {
    return this.#result;
  }

  /** Whether it has begun, and knows what is in flight. */
  get isGuarded(): boolean {
    return this.#guarded !== null;
  }

  /** Closes the connection to the mail server. Idempotent. */
  close(): void {
    this.#upstream.transport.close();
  }

  /** Ends the relay when nothing was said since it was looked at, and nothing is in flight; else looks again. */
  drain(): void {
    if (this.#guarded === null) return;
    const [toUpstream, toClient] = this.#progress();
    const octets = toUpstream + toClient;
    if (octets === this.#octetsSeen && !this.#guarded.inFlight) {
      return this.#guarded.drain(this.#session.server.rules.replies.shutdown);
    }
    this.#octetsSeen = octets;
    this.#session.lookAgain();
  }

  /** Relays until the session has ended. Nothing else arms its deadline meanwhile. */
  run(): Promise<null> {
    const session = this.#session;
    const { server: { rules, settings }, services, deadline } = session;
    const { clock, metrics } = services;
    const upstream = this.#upstream;
    deadline.disarm();
    session.input.release();
    const began = clock.now();
    this.#guarded = this.#guard();
    if (session.draining) this.drain();
    return relay(
      session.transport,
      upstream.transport,
      {
        fromClient: session.input.takeRest(),
        // nginx answers 235 in its own words and throws away what stood behind the mail server's (spec §4.7).
        fromUpstream: rules.compat && upstream.reply === null ? NO_OCTETS : upstream.rest,
        timeoutMs: settings.proxy_timeout,
        halfClose: !rules.compat,
        guarded: this.#guarded,
        began: (progress) => this.#progress = progress,
      },
      services,
    ).then((result) => {
      this.#result = result;
      session.log.relayEnd(result);
      metrics.observe("relay_duration_seconds", (clock.now() - began) / 1000);
      metrics.relayed("to_upstream", result.octetsToUpstream);
      metrics.relayed("to_client", result.octetsToClient);
      session.end(relayOutcome(result));
      return null;
    });
  }

  /** What the relay goes through; null with `smtp_guard off`. */
  #guard(): GuardedFlow | null {
    const {
      server: { guard: rules, settings },
      services: { clock, metrics },
      transport,
      context,
      log,
      known,
    } = this.#session;
    if (rules === null) return null;
    const upstream = this.#upstream;
    const admission = this.#session.limited()?.admission ?? null;
    if (upstream.reply !== null) countRecipient(upstream.reply.code, metrics);
    const guard = new RelayGuard(
      rules,
      {
        offered: upstream.capabilities,
        envelope: upstream.reply === null ? null : { mail: known?.mail ?? "", rcptCode: upstream.reply.code },
        asks: admission !== null,
      },
      clock.now(),
    );
    return new GuardedFlow(transport, upstream.transport, {
      guard,
      dataTimeoutMs: settings.smtp_data_timeout,
      minDataRate: settings.smtp_min_data_rate,
      admit: ({ kind, path }) => admission?.[kind](context, path) ?? null,
      note: (note) => tellGuardNote(note, log, metrics),
    }, clock);
  }
}

function relayOutcome(result: RelayResult): SessionOutcome {
  if (result.byGuard === "refused") return "relay_refused";
  if (result.byGuard === "drained") return "shutdown";
  if (result.timedOut) return "relay_timeout";
  return result.reset !== null ? "relay_lost" : "relayed";
}
