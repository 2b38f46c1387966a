import type { AuthQuestion } from "../../../src/ports/auth_backend.ts";
import type { PeerCertificate, TlsFacts } from "../../../src/ports/transport.ts";

/** A question over a plain connection; `changes` replaces what matters to the test. */
export function question(changes: Partial<AuthQuestion> = {}): AuthQuestion {
  return {
    method: "plain",
    user: "jane",
    secret: "hunter2",
    salt: null,
    attempt: 1,
    client: { host: "192.0.2.7", port: 40025 },
    server: { kind: "tcp", host: "198.51.100.1", port: 587 },
    clientHost: "client.example",
    proxyProtocol: null,
    envelope: null,
    tls: null,
    sessionId: "5e55-10",
    traceparent: null,
    ...changes,
  };
}

/** Facts of a handshake without a client certificate. */
export function tlsFacts(changes: Partial<TlsFacts> = {}): TlsFacts {
  return {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
    serverName: null,
    alpn: null,
    resumed: false,
    peer: null,
    verdict: { kind: "none" },
    ...changes,
  };
}

export const peerCertificate: PeerCertificate = {
  subject: "CN=mx.test,O=Lab\\, Inc",
  issuer: "CN=Root",
  serial: "11992A65",
  fingerprint: "a9a5a633f1d2c7b0a9a5a633f1d2c7b0a9a5a633",
  commonName: "mx.test",
  pem: "-----BEGIN CERTIFICATE-----\nMIIB%+/=\n-----END CERTIFICATE-----\n",
};
