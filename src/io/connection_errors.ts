/**
 * The one place where errors of the runtime become {@linkcode ConnectionError}.
 *
 * @module
 */
import { ConnectionError, type ConnectionErrorCode } from "../ports/transport.ts";

/** Codes of the operating system, as Deno and Node put them into `error.code`. */
const SYSTEM_CODES: ReadonlyMap<string, ConnectionErrorCode> = new Map([
  ["ECONNRESET", "reset"],
  ["ECONNABORTED", "reset"],
  ["EPIPE", "reset"],
  ["ENOTCONN", "reset"],
  ["ECONNREFUSED", "refused"],
  ["ENOENT", "refused"],
  ["EAGAIN", "refused"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETUNREACH", "unreachable"],
  ["EHOSTDOWN", "unreachable"],
  ["ENETDOWN", "unreachable"],
  ["EADDRNOTAVAIL", "unreachable"],
  ["EAFNOSUPPORT", "unreachable"],
  ["ETIMEDOUT", "timeout"],
  ["ENOTFOUND", "not_found"],
  ["EAI_AGAIN", "not_found"],
]);

/** Error classes of Deno that come without a code of the operating system. */
const RUNTIME_CLASSES: ReadonlyMap<string, ConnectionErrorCode> = new Map([
  ["ConnectionReset", "reset"],
  ["ConnectionAborted", "reset"],
  ["BrokenPipe", "reset"],
  ["NotConnected", "reset"],
  ["UnexpectedEof", "reset"],
  ["ConnectionRefused", "refused"],
  ["NetworkUnreachable", "unreachable"],
  ["AddrNotAvailable", "unreachable"],
  ["TimedOut", "timeout"],
  ["BadResource", "closed"],
  ["Interrupted", "closed"],
  ["AbortError", "closed"],
]);

/** `doing` says what failed, such as `read` or `connect to 192.0.2.1:25`; it begins the text of the error. */
export function toConnectionError(error: unknown, doing: string): ConnectionError {
  if (error instanceof ConnectionError) return error;
  const { name, message, code } = describe(error);
  return new ConnectionError(classify(name, message, code), `Cannot ${doing}: ${message}`, { cause: error });
}

/** The error of every operation on a connection that we closed ourselves. */
export function closedError(): ConnectionError {
  return new ConnectionError("closed", "Cannot use the connection: it was closed on our side");
}

/** The connection ended while it was needed; `doing` as for {@linkcode toConnectionError}. */
export function connectionLost(doing: string): ConnectionError {
  return new ConnectionError("reset", `Cannot ${doing}: connection lost`);
}

/** Whether the peer, or the network, has ended the connection. */
export function isReset(error: unknown): boolean {
  return error instanceof ConnectionError && error.code === "reset";
}

/** A client that has gone without an octet of the handshake. */
export function silent(): ConnectionError {
  return new ConnectionError("silent", "the client closed the connection before the TLS handshake");
}

/** What the TLS layer says of a handshake or a record. */
export function tlsError(error: unknown): ConnectionError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ConnectionError("tls", `TLS failed: ${reason}`, { cause: error });
}

function classify(name: string, message: string, code: string | null): ConnectionErrorCode {
  const known = (code === null ? undefined : SYSTEM_CODES.get(code)) ?? RUNTIME_CLASSES.get(name);
  if (known !== undefined) return known;
  // Name resolution fails in Deno with a bare Error whose text is getaddrinfo's.
  return /failed to lookup address|name or service not known|no such host/i.test(message)
    ? "not_found"
    : "other";
}

function describe(error: unknown): { name: string; message: string; code: string | null } {
  if (!(error instanceof Error)) return { name: "", message: String(error), code: null };
  const code = "code" in error && typeof error.code === "string" ? error.code : null;
  return { name: error.name, message: error.message, code };
}
