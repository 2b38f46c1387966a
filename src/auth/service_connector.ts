import type { Connector, SocketAddress, Transport } from "../ports/transport.ts";
import { CalloutError } from "./callout_error.ts";

/** How TLS to the auth service is done (`auth_http_ssl_*`). */
export interface ServiceTls {
  /** Whether the certificate is verified. */
  readonly verify: boolean;
  /** Name for SNI and for the check of the certificate. */
  readonly serverName: string;
  /** PEM of the only authorities to trust, or null for the system's. */
  readonly trustedCertificates: string | null;
}

/**
 * Returns a function that connects to the auth service, over TLS unless `tls` is null. It rejects with a
 * {@linkcode CalloutError} of code `connect` or `tls`, or with the signal's reason as soon as the signal aborts.
 */
export function createServiceConnector(
  dialer: Connector,
  address: SocketAddress,
  tls: ServiceTls | null,
): (signal: AbortSignal) => Promise<Transport> {
  return async (signal) => {
    const plain = await open(dialer.connect(address, signal), signal, "connect", "a connection");
    if (tls === null) return plain;
    const end = () => plain.close();
    signal.addEventListener("abort", end);
    try {
      const secured = dialer.startTls(plain, { ...tls, certificate: null, certificateKey: null });
      return await open(secured, signal, "tls", "a TLS handshake");
    } finally {
      signal.removeEventListener("abort", end);
    }
  };
}

/** Waits for a connection, but not longer than `signal` allows: one that comes later is closed. */
function open(
  opening: Promise<Transport>,
  signal: AbortSignal,
  code: "connect" | "tls",
  expected: string,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
    opening.then((transport) => {
      signal.removeEventListener("abort", abort);
      if (signal.aborted) transport.close();
      else resolve(transport);
    }, (error) => {
      signal.removeEventListener("abort", abort);
      const message = error instanceof Error ? error.message : String(error);
      reject(
        new CalloutError(code, `expected ${expected} to the auth service, got: ${message}`, { cause: error }),
      );
    });
  });
}
