/**
 * What the first thread and the workers tell each other.
 *
 * @module
 */
import type { Config } from "../config/settings.ts";
import type { SocketAddress } from "../ports/transport.ts";
import type { AdminAnswer, AdminQuestion } from "./admin_questions.ts";
import type { FromLimitedWorker, ToLimitedWorker } from "./limit_messages.ts";
import type { LogDestination } from "../telemetry/log_outputs.ts";

/** Users whose sign-ins wait ({@linkcode SignInHolds}). */
export interface HeldUsers {
  /** Byte strings. */
  readonly users: readonly string[];
  /** How long each sign-in waits at most, milliseconds. */
  readonly waitMs: number;
}

/** To a worker: first `start`, once. */
export type ToWorker =
  | {
    readonly kind: "start";
    /** From 1. */
    readonly worker: number;
    /** With real ports, and the Unix sockets of this worker alone. */
    readonly config: Config;
    /** Where it counts ({@linkcode MetricMemory}). */
    readonly metrics: SharedArrayBuffer;
    /** One BigInt64: the connections of all workers so far. */
    readonly connections: SharedArrayBuffer;
    /** Where workers listen already: those on Unix sockets are the first one's alone. */
    readonly listeners: readonly SocketAddress[];
    readonly holds: HeldUsers;
    /** Of the marks of credentials that failed. */
    readonly markKey: Uint8Array;
  }
  /** To make another configuration ready, which `commit` puts in force and `abort` gives up. */
  | { readonly kind: "prepare"; readonly config: Config; readonly listeners: readonly SocketAddress[] }
  | { readonly kind: "commit" }
  | { readonly kind: "abort" }
  /** Exactly these users are held from now on. */
  | { readonly kind: "hold"; readonly holds: HeldUsers }
  /** Is answered with the same ticket. */
  | { readonly kind: "ask"; readonly ticket: number; readonly question: AdminQuestion }
  | { readonly kind: "stop"; readonly graceMs: number }
  /** The lines with this ticket have been written, or could not be. */
  | { readonly kind: "written"; readonly ticket: number; readonly ok: boolean }
  | ToLimitedWorker;

/** From a worker. */
export type FromWorker =
  | { readonly kind: "serving"; readonly addresses: readonly SocketAddress[] }
  /** It cannot serve, and has ended. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Where it would listen under the configuration that it made ready. */
  | { readonly kind: "prepared"; readonly addresses: readonly SocketAddress[] }
  /** That configuration cannot be used; the one before is in force. */
  | { readonly kind: "unprepared"; readonly reason: string }
  | { readonly kind: "answer"; readonly ticket: number; readonly answer: AdminAnswer }
  /** All of its sessions and lines are done. */
  | { readonly kind: "stopped" }
  | {
    readonly kind: "lines";
    readonly ticket: number;
    readonly to: LogDestination;
    readonly octets: Uint8Array;
  }
  | FromLimitedWorker;
