/**
 * Alerts on the wire that we make.
 *
 * What a peer is told of a handshake that failed before we have sent anything: alerts are plaintext until then. `node:tls`
 * tells nothing over a stream, and its engine tells those who offer TLS 1.1 no more than "handshake failure".
 *
 * @module
 */

/** Alert descriptions (RFC 8446 §6) by what the runtime's text has in it; the first that fits is taken. */
const ALERTS: readonly (readonly [RegExp, number])[] = [
  [/wrong.version.number/i, 10], // unexpected_message: octets that are no TLS
  [/support any known protocol/, 120], // no_application_protocol, RFC 7301 §3.2
  // TLS 1.1 and before have no signature_algorithms, and that is what is missed first.
  [/SignatureAlgorithmsExtensionRequired|Tls1[23]|version/i, 70], // protocol_version
  [/incompatible|in ?common/i, 40], // handshake_failure
  [/corrupt|invalid|unexpected|illegal|decode/i, 10], // unexpected_message
];

/** The alert record for an error of the runtime, or null when there is none for it. */
export function alertFor(error: unknown): Uint8Array | null {
  const text = error instanceof Error ? error.message : "";
  const description = ALERTS.find(([pattern]) => pattern.test(text))?.[1];
  return description === undefined ? null : Uint8Array.of(21, 3, 3, 0, 2, 2, description); // alert record, version 3.3, fatal
}
