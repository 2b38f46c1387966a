/**
 * What the first thread and the workers tell each other.
 *
 * @module
 */
import type { Config } from "../config/settings.ts";
import type { SocketAddress } from "../ports/transport.ts";
import type { LogDestination } from "../telemetry/log_outputs.ts";

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
  }
  /** To make another configuration ready, which `commit` puts in force and `abort` gives up. */
  | { readonly kind: "prepare"; readonly config: Config; readonly listeners: readonly SocketAddress[] }
  | { readonly kind: "commit" }
  | { readonly kind: "abort" }
  | { readonly kind: "stop"; readonly graceMs: number }
  /** The lines with this ticket have been written, or could not be. */
  | { readonly kind: "written"; readonly ticket: number; readonly ok: boolean };

/** From a worker. */
export type FromWorker =
  | { readonly kind: "serving"; readonly addresses: readonly SocketAddress[] }
  /** It cannot serve, and has ended. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Where it would listen under the configuration that it made ready. */
  | { readonly kind: "prepared"; readonly addresses: readonly SocketAddress[] }
  /** That configuration cannot be used; the one before is in force. */
  | { readonly kind: "unprepared"; readonly reason: string }
  /** All of its sessions and lines are done. */
  | { readonly kind: "stopped" }
  | {
    readonly kind: "lines";
    readonly ticket: number;
    readonly to: LogDestination;
    readonly octets: Uint8Array;
  };
