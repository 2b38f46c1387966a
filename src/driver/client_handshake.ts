/**
 * TLS with the client: whether its handshake may be under way, the handshake, and what its certificate is worth.
 *
 * @module
 */
import { decideOnCertificate } from "../policy/client_certificate.ts";
import { ConnectionError, type TlsAcceptor } from "../ports/transport.ts";
import { REPLIES } from "../session/replies.ts";
import type { ClientSession } from "./client_session.ts";

/** Whether one more handshake may be under way (`ssl_max_handshakes`); {@linkcode startTls} ends the one that is admitted. */
export function admitHandshake(session: ClientSession, mode: "starttls" | "implicit"): boolean {
  const { server: { handshakes }, services: { clock, metrics } } = session;
  session.handshake = handshakes.take(clock.now(), () => session.interrupt("deadline"));
  if (session.handshake !== null) return true;
  metrics.count("tls_refused", mode);
  session.log.note("warn", "tls_refused", "too many TLS handshakes are under way (ssl_max_handshakes)");
  return false;
}

/**
 * Runs the handshake; from then on the session is in TLS.
 * @throws {SessionOver} when that fails, or the client's certificate is not good enough, and what is no fault of the
 * client's or the network's.
 */
export async function startTls(session: ClientSession): Promise<void> {
  const { server: { tls, settings }, services: { clock, metrics }, log } = session;
  if (tls === null) throw new TypeError("Cannot start TLS: the server has no certificate");
  const timeoutMs = Math.min(settings.ssl_handshake_timeout, session.commandTimeout());
  session.enterPhase("handshake", "SSL handshaking", timeoutMs);
  const began = clock.now();
  try {
    session.transport = await tls.accept(session.transport);
  } catch (error) {
    const lost = session.ended === null && error instanceof ConnectionError ? error : null;
    if (lost?.code === "silent" && !log.introduced) session.over("client_closed");
    metrics.tlsHandshake("client", false);
    if (lost === null) throw error;
    log.note("info", "tls_failed", `TLS handshake failed: ${lost.message}`, { code: lost.code });
    session.over("tls_failed");
  } finally {
    session.handshakeOver();
  }
  session.checkOpen();
  log.introduce();
  metrics.tlsHandshake("client", true);
  metrics.observe("tls_handshake_duration_seconds", (clock.now() - began) / 1000);
  countTls(session, tls);
  const refused = judgeCertificate(session);
  if (refused !== null) await refused;
}

function countTls({ transport: { tls }, services: { metrics } }: ClientSession, acceptor: TlsAcceptor): void {
  if (tls === null) return;
  metrics.count("tls_sessions", `${tls.protocol}|${tls.cipher}`);
  const { serverName } = tls;
  metrics.count(
    "tls_server_names",
    serverName === null ? "missing" : acceptor.knows(serverName) ? "known" : "unknown",
  );
}

/** Null where the client may go on. */
function judgeCertificate(session: ClientSession): Promise<never> | null {
  const { transport: { tls }, server: { settings }, log } = session;
  if (tls === null) return null;
  const decision = decideOnCertificate(settings.ssl_verify_client, tls.verdict);
  if (decision.kind === "missing") {
    log.note("info", "certificate_missing", "client sent no required SSL certificate");
    return session.refuse(REPLIES.noCertificate, "certificate");
  }
  if (decision.kind === "refused") {
    const { reason } = decision;
    log.note("info", "certificate_refused", `client SSL certificate verify error: (${reason})`, { reason });
    return session.refuse(REPLIES.badCertificate, "certificate");
  }
  return null;
}
