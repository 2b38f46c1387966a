import type { AuthAnswer, AuthBackend, AuthFailureCode, AuthQuestion } from "../ports/auth_backend.ts";
import type { Clock } from "../ports/clock.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { Log, LogFields, LogLevel, Metrics } from "../ports/telemetry.ts";
import { type Failure, type HealthRules, ServiceHealth } from "./service_health.ts";

/** One of several services. */
export interface FailoverService extends HealthRules {
  readonly backend: AuthBackend;
  /** Its address, for the log. */
  readonly name: string;
}

export interface FailoverOptions {
  /** At least one, in the order in which they are asked. */
  readonly services: readonly FailoverService[];
  /** How long after a question another service may be asked, milliseconds; 0 for no limit. */
  readonly nextTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count">;
}

type Failed = Extract<AuthAnswer, { kind: "failed" }>;

interface Member extends FailoverService {
  readonly health: ServiceHealth;
}

/** Failures that say that nobody is there, or not in time. */
const UNREACHABLE: ReadonlySet<AuthFailureCode> = new Set<AuthFailureCode>(["connect", "tls", "timeout"]);
/** Failures that say that a service is there and does not work. */
const BROKEN: ReadonlySet<AuthFailureCode> = new Set<AuthFailureCode>(["closed", "invalid_response"]);

/**
 * Asks the first of several services that works: the next one only where the one before gave no answer, so nothing
 * was decided. A service that fails is left alone for a while. When none can be reached, questions fail at once, and
 * from time to time one of them tries whether a service is back: the circuit is open.
 *
 * Answers that are wrong never open the circuit: whoever knows a login that a service stumbles over could keep
 * everybody out with it.
 */
export class FailoverBackend implements AuthBackend {
  readonly #members: readonly Member[];
  readonly #options: FailoverOptions;
  #circuitOpen = false;

  constructor(options: FailoverOptions) {
    this.#options = options;
    this.#members = options.services.map((service) => ({
      ...service,
      health: new ServiceHealth(service, options.clock),
    }));
  }

  async ask(question: AuthQuestion, signal: EndSignal): Promise<AuthAnswer> {
    const { clock, nextTimeoutMs } = this.#options;
    const began = clock.now();
    const skipped: Member[] = [];
    let last: { readonly answer: Failed; readonly member: Member } | null = null;
    // In the second round come those that are down although they can be reached: better them than nobody.
    for (const round of [this.#members, skipped]) {
      for (const member of round) {
        if (last !== null && nextTimeoutMs > 0 && clock.now() - began >= nextTimeoutMs) return told(last);
        if (round === skipped && member.health.unreachable) continue;
        const admission = round === skipped ? "up" : member.health.admit();
        if (admission === "down") {
          skipped.push(member);
          continue;
        }
        if (admission === "probe") this.#options.metrics.count("callout_circuit", "probe");
        if (last !== null) this.#tellFailover(last.answer, last.member, member, question);
        const answer = await this.#askOne(member, question, signal);
        if (answer.kind !== "failed") return answer;
        last = { answer, member };
        if (answer.code === "aborted" || signal.aborted) return told(last);
      }
    }
    return last === null ? this.#refuse() : told(last);
  }

  close(): void {
    for (const { backend } of this.#members) backend.close();
  }

  async #askOne(member: Member, question: AuthQuestion, signal: EndSignal): Promise<AuthAnswer> {
    const answer = await member.backend.ask(question, signal);
    const { health } = member;
    if (answer.kind === "failed" && answer.code === "aborted") {
      health.probeLost();
      return answer;
    }
    const failure = failureOf(answer);
    if (failure === null) {
      if (health.answered()) this.#tellUp(member);
    } else if (health.failed(failure)) this.#tellDown(member, answer as Failed);
    this.#watchCircuit();
    return answer;
  }

  /** No service was asked. */
  #refuse(): Failed {
    this.#options.metrics.count("callout_circuit", "refused");
    return {
      kind: "failed",
      code: "circuit_open",
      reason: "expected a service that can be reached, got none lately",
      server: this.#members.map(({ name }) => name).join(", "),
    };
  }

  #watchCircuit(): void {
    const open = this.#members.every(({ health }) => health.unreachable);
    if (open === this.#circuitOpen) return;
    this.#circuitOpen = open;
    this.#options.metrics.count("callout_circuit", open ? "opened" : "closed");
    if (open) this.#note("error", "auth_circuit_open", "no auth service can be reached: logins fail at once");
    else this.#note("notice", "auth_circuit_closed", "an auth service can be reached again");
  }

  #tellFailover(answer: Failed, from: Member, to: Member, { sessionId }: AuthQuestion): void {
    this.#options.metrics.count("callout_failovers", answer.code);
    this.#note("warn", "auth_failover", `${answer.reason}; the next auth service is asked`, {
      server: from.name,
      next: to.name,
      code: answer.code,
      session: sessionId,
    });
  }

  #tellDown({ name, health, failTimeoutMs }: Member, { code, reason }: Failed): void {
    this.#options.metrics.count("callout_service_changes", "down");
    this.#note("warn", "auth_service_down", `auth service temporarily disabled: ${reason}`, {
      server: name,
      code,
      fails: health.fails,
      seconds: failTimeoutMs / 1000,
    });
  }

  #tellUp({ name }: Member): void {
    this.#options.metrics.count("callout_service_changes", "up");
    this.#note("notice", "auth_service_up", "auth service works again", { server: name });
  }

  #note(level: LogLevel, event: string, message: string, fields?: LogFields): void {
    const { log } = this.#options;
    if (log.enabled(level)) log.event(level, event, message, null, fields);
  }
}

function told({ answer, member }: { readonly answer: Failed; readonly member: Member }): Failed {
  return { ...answer, server: member.name };
}

/** What an answer says about the service; null when it works. What is wrong with one login's answer says nothing. */
function failureOf(answer: AuthAnswer): Failure | null {
  if (answer.kind !== "failed") return null;
  if (UNREACHABLE.has(answer.code)) return "unreachable";
  const serverError = answer.code === "status" && /^5/.test(answer.got ?? "");
  return BROKEN.has(answer.code) || serverError ? "bad_answer" : null;
}
