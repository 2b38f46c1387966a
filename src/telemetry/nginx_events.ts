/**
 * What nginx says, and at which level, where Postern has an event (spec §2.4-2.10, §3.3, §4.6-4.8, §5.3). An event
 * without a row, or a row that says nothing of a part, is logged as it is.
 *
 * @module
 */
import type { LogFields, LogLevel, SessionContext } from "../ports/telemetry.ts";
import { clientText } from "./client_text.ts";

/** One line before it is written. */
export interface NginxEntry {
  readonly level: LogLevel;
  readonly message: string;
  /** What was being done; null leaves " while ..." out. */
  readonly doing: string | null;
  /** Whether client, server, login and mail server follow. */
  readonly suffix: boolean;
}

/** An event as the driver tells it. */
interface Told {
  readonly level: LogLevel;
  readonly message: string;
  readonly session: SessionContext;
  readonly fields: LogFields;
}

/** What differs from the event as it was told; null: nginx has no such line. */
type Row = (told: Told) => Partial<NginxEntry> | null;

const TIMED_OUT = "(110: Connection timed out)";
const READING = "reading response from upstream";
const NOTHING: LogFields = Object.freeze({});

/** The line for an event, or null. */
export function nginxEntry(
  level: LogLevel,
  event: string,
  message: string,
  session: SessionContext | null,
  fields: LogFields = NOTHING,
): NginxEntry | null {
  if (session === null) {
    const lines = event === "log_dropped" ? `${fields["lines"]} ${message}` : message;
    return { level, message: lines, doing: null, suffix: false };
  }
  const row = EVENTS[event];
  const differing = row === undefined ? {} : row({ level, message, session, fields });
  if (differing === null) return null;
  return { level, message, doing: doing(session), suffix: true, ...differing };
}

/** nginx calls the handshake behind STARTTLS by another name. */
function doing({ doing, starttls }: SessionContext): string | null {
  if (doing === "SSL handshaking" && starttls) return "in starttls state";
  return doing === "" ? null : doing;
}

const EVENTS: Readonly<Record<string, Row>> = {
  client_connected: ({ session: { client, listener } }) => ({
    message: `client ${clientText(client)} connected to ${listener}`,
    suffix: false,
  }),
  access_denied: () => ({ level: "error" }),
  limit_hit: () => ({ level: "error" }),
  client_logged_in: () => ({ doing: null }),
  client_lost: ({ message, fields }) => {
    // The end of the stream is no line of nginx's, a reset is one.
    return fields["code"] === "reset" ? { message: `recv() failed ${systemError(message, RESET)}` } : {};
  },
  tls_failed: ({ message, fields }) => ({
    message: fields["code"] === "tls"
      ? `SSL_do_handshake() failed (SSL: ${message.replace(/^TLS handshake failed: (TLS failed: )?/, "")})`
      : "peer closed connection in SSL handshake",
  }),
  certificate_refused: ({ message, fields }) => {
    const reason = String(fields["reason"]);
    const code = VERIFY_ERRORS[reason];
    return code === undefined ? {} : { message: message.replace(reason, `${code}:${reason}`) };
  },
  relay_lost: ({ message, fields }) => ({
    ...(message.startsWith("upstream prematurely") ? {} : {
      message: `recv() failed ${systemError(message, RESET)}`,
    }),
    doing: `proxying and reading from ${fields["side"]}`,
  }),
  session_closed: ({ session, fields }) => SESSION_ENDS[String(fields["outcome"])]?.(session, fields) ?? null,
  auth_unavailable: ({ message, fields }) => {
    const server = `auth http server ${fields["server"]}`;
    const words = CALLOUT_FAILURES[String(fields["code"])]?.(server, message, fields);
    return { message: words ?? `${server}: ${message}` };
  },
  // nginx's words in its other proxies are those of the failure itself.
  upstream_failover: (told) => UPSTREAM_FAILURES[String(told.fields["code"])]?.(told) ?? {},
  upstream_failed: (told) => UPSTREAM_FAILURES[String(told.fields["code"])]?.(told) ?? {},
};

/** By outcome. nginx has no line for a session that ends by QUIT or by the client's end of the stream. */
const SESSION_ENDS: Readonly<
  Record<string, (session: SessionContext, fields: LogFields) => Partial<NginxEntry> | null>
> = {
  relayed: () => ({ message: "proxied session done", doing: null }),
  relay_lost: () => ({ message: "proxied session done", doing: null }),
  relay_timeout: () => ({ message: `client timed out ${TIMED_OUT}`, doing: "proxying" }),
  // The TLS handshake times out without a line (spec §2.9).
  timeout: ({ doing }) => doing === "SSL handshaking" ? null : { message: `client timed out ${TIMED_OUT}` },
  shutdown: ({ doing }) => doing === "proxying" ? { message: "shutdown timeout" } : null,
};

/** By code of the failure. */
const CALLOUT_FAILURES: Readonly<
  Record<string, (server: string, message: string, fields: LogFields) => string | null>
> = {
  timeout: (server) => `${server} timed out ${TIMED_OUT}`,
  // nginx sees the refusal when it reads from the connection that it has begun to open.
  connect: (_server, message) => `recv() failed ${systemError(message, REFUSED)}`,
  closed: (_server, message) => {
    const reset = systemError(message, "");
    return reset === "" ? null : `recv() failed ${reset}`;
  },
  invalid_response: (server) => `${server} sent invalid response`,
  invalid_header: (server) => `${server} sent invalid header in response`,
  no_server: (server) => `${server} did not send server or port`,
  invalid_server: (server, _message, { got }) => `${server} sent invalid server address:"${got}"`,
  invalid_port: (server, _message, { got }) =>
    got === undefined
      ? `${server} did not send server or port`
      : `${server} sent invalid server port:"${got}"`,
};

/** By code of the failure. */
const UPSTREAM_FAILURES: Readonly<Record<string, (told: Told) => Partial<NginxEntry>>> = {
  timeout: ({ session }) => ({
    level: "info",
    message: `upstream timed out ${TIMED_OUT}`,
    // For nginx, reading begins with the first octet.
    doing: session.doing === READING ? "connecting to upstream" : session.doing,
  }),
  refused: ({ fields, message }) =>
    // A reply that was not to be, or nobody who listens.
    fields["stage"] === "connecting to upstream"
      ? { message: `recv() failed ${systemError(message, REFUSED)}`, doing: READING }
      : { doing: READING },
  unreachable: ({ message, session }) => ({
    message: `connect() to ${session.upstream} failed ${systemError(message, "(113: No route to host)")}`,
  }),
  reset: ({ message }) => ({ message: `recv() failed ${systemError(message, RESET)}`, doing: READING }),
  closed: () => ({ doing: READING }),
  too_long: () => ({ doing: READING }),
  malformed: () => ({ doing: READING }),
  no_password: () => ({ message: "no password available", doing: "sending AUTH to upstream" }),
};

/** X509_V_ERR_* of OpenSSL, which nginx puts before the text. */
const VERIFY_ERRORS: Readonly<Record<string, number>> = {
  "unable to get issuer certificate": 2,
  "unable to get certificate CRL": 3,
  "certificate signature failure": 7,
  "CRL signature failure": 8,
  "certificate is not yet valid": 9,
  "certificate has expired": 10,
  "CRL is not yet valid": 11,
  "CRL has expired": 12,
  "self-signed certificate": 18,
  "self-signed certificate in certificate chain": 19,
  "unable to get local issuer certificate": 20,
  "unable to verify the first certificate": 21,
  "certificate revoked": 23,
  "path length constraint exceeded": 25,
  "unsuitable certificate purpose": 26,
  "key usage does not include certificate signing": 32,
  "unable to get CRL issuer certificate": 33,
  "unhandled critical extension": 34,
  "key usage does not include CRL signing": 35,
  "unhandled critical CRL extension": 36,
  "unsupported name constraint type": 51,
  "CA signature digest algorithm too weak": 68,
};

const RESET = "(104: Connection reset by peer)";
const REFUSED = "(111: Connection refused)";

/** The system's error as nginx shows it, taken from the runtime's text, which ends with `... (os error N)`. */
function systemError(message: string, otherwise: string): string {
  const found = /([A-Z][a-zA-Z ]+) \(os error (\d+)\)/.exec(message);
  return found === null ? otherwise : `(${found[2]}: ${found[1]})`;
}
