/**
 * The name that a mail server gives to a message when it accepts it.
 *
 * @module
 */

/** What mail servers say, each with the name in its first group. */
const FORMS: readonly RegExp[] = [
  // Postfix.
  /\bqueued as <?([A-Za-z0-9_-][A-Za-z0-9._-]{0,99}?)(?=[.>)]?(?:\s|$))/i,
  // Haraka: 250 Message Queued (8D1A-0C9F.1).
  /\bMessage Queued \(([A-Za-z0-9._-]{1,100})\)/,
  // Exim.
  /\bid=([A-Za-z0-9-]{1,100})/,
  // Sendmail, OpenSMTPD: 250 2.0.0 31FJqG1s012345 Message accepted for delivery.
  /\b([A-Za-z0-9]{8,40}) Message accepted for delivery/i,
  // Exchange: 250 2.6.0 <id@host> [InternalId=123, Hostname=...] Queued mail for delivery.
  /\[InternalId=(\d{1,40})/,
  // Stalwart: 250 2.0.0 Message queued with id 1a2b3c.
  /\bqueued with id <?([A-Za-z0-9_-][A-Za-z0-9._-]{0,99}?)(?=[.>)]?(?:\s|$))/i,
  // Gmail: 250 2.0.0 OK  1700000000 abc - gsmtp.
  /\bOK +\d{9,12} ([A-Za-z0-9._-]{4,100}) - gsmtp/i,
  // qmail: 250 ok 1700000000 qp 12345; Amazon SES: 250 Ok 0100018c-...-000000.
  /\bok \d{9,12} qp (\d{1,20})/i,
  /\bOk ([0-9a-f]{16}-[0-9a-f-]{20,80})/,
  // Dovecot: 250 2.0.0 <user@host> Cg4AB... Saved.
  /> ([A-Za-z0-9+/:._-]{8,60}) Saved\b/,
];

/** The name in the text of a final reply, a byte string without its code; null when none is recognised. */
export function readQueueId(text: string): string | null {
  for (const form of FORMS) {
    const id = form.exec(text)?.[1];
    if (id !== undefined) return id;
  }
  return null;
}
