/**
 * What dialogues are run against.
 *
 * @module
 */
import type { Directives } from "./dialogue.ts";

/** Where a server listens; chosen by the runner, so that every subject is told in the same way. */
export type Endpoint =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** One server of a subject: it serves one dialogue. */
export interface ServerPlan {
  readonly endpoint: Endpoint;
  readonly ssl: boolean;
  readonly proxyProtocol: boolean;
  readonly directives: Directives;
}

/** Everything that one process of a subject serves. */
export interface ProcessPlan {
  /** Directives at `mail` level. */
  readonly mail: Directives;
  readonly servers: readonly ServerPlan[];
  /** Directory of its own for configuration, log and pid. */
  readonly directory: string;
}

/** A running process of a subject. */
export interface RunningSubject {
  /** What it logged so far, for the reports of failures. */
  log(): Promise<string>;
  /** Ends the process by its id and waits for it. */
  stop(): Promise<void>;
}

/** A program that speaks as the dialogues say. */
export interface Subject {
  readonly name: "nginx" | "Postern" | "Postern, compat nginx";
  /** Whether Postern's own ways (`expect_postern`, `postern_config`) hold. */
  readonly ways: "nginx" | "postern" | "compat";
  /** Version of nginx, for `nginx.since`; null for Postern. */
  readonly version: string | null;
  /** Lines of a callout request as nginx would have sent them; throws when something is there that must not be. */
  asNginxSends(request: readonly string[]): readonly string[];
  /**
   * Starts a process that serves all of `plan`.
   * @throws {AddressTaken} when an endpoint is in use.
   * @throws {Error} when the configuration is not accepted, with what the process said.
   */
  start(plan: ProcessPlan): Promise<RunningSubject>;
}

/** An endpoint was taken between its choice and the start: choose others. */
export class AddressTaken extends Error {
  override readonly name = "AddressTaken";
}

/** Renders an endpoint as `listen` wants it. */
export function listenAddress(endpoint: Endpoint): string {
  if ("path" in endpoint) return `unix:${endpoint.path}`;
  return `${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
}
