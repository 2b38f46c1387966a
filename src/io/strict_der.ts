/**
 * Certificates that are written as DER has it (X.690 §10), in what their signature does not cover and in their dates: the
 * runtime's TLS library reads no others.
 *
 * @module
 */

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const VERSION = 0xa0;

interface Element {
  readonly tag: number;
  readonly content: number;
  readonly end: number;
}

/** `SEQUENCE { SEQUENCE { version, serial, algorithm, issuer, validity ... }, algorithm, signature }` (RFC 5280 §4.1). */
export function isStrictlyWritten(der: Uint8Array): boolean {
  const whole = element(der, 0, SEQUENCE);
  if (whole === null || whole.end !== der.length) return false;
  const signed = element(der, whole.content, SEQUENCE);
  const algorithm = signed && element(der, signed.end, SEQUENCE);
  const signature = algorithm && element(der, algorithm.end, BIT_STRING);
  if (!signature || signature.end !== der.length || der[signature.content] !== 0) return false;
  const version = element(der, signed.content, VERSION);
  const serial = version && element(der, version.end, INTEGER);
  const inner = serial && element(der, serial.end, SEQUENCE);
  if (!inner || inner.end > signed.end) return false;
  const text = (from: number, to: number) => der.subarray(from, to).toHex();
  if (text(serial.end, inner.end) !== text(signed.end, algorithm.end)) return false;
  const issuer = element(der, inner.end, SEQUENCE);
  const validity = issuer && element(der, issuer.end, SEQUENCE);
  return validity !== null && areDates(der, validity);
}

function areDates(der: Uint8Array, { content, end }: Element): boolean {
  const first = anyElement(der, content);
  const second = first && anyElement(der, first.end);
  return !!second && second.end === end && isDate(der, first) && isDate(der, second);
}

/** UTCTime and GeneralizedTime in their only forms (RFC 5280 §4.1.2.5). */
function isDate(der: Uint8Array, { tag, content, end }: Element): boolean {
  const text = String.fromCharCode(...der.subarray(content, Math.min(end, content + 20)));
  return tag === 0x17 && UTC_TIME.test(text) || tag === 0x18 && GENERALIZED_TIME.test(text);
}

const IN_YEAR = "(0[1-9]|1[0-2])(0[1-9]|[12]\\d|3[01])([01]\\d|2[0-3])[0-5]\\d[0-5]\\dZ$";
const UTC_TIME = new RegExp(`^\\d\\d${IN_YEAR}`);
const GENERALIZED_TIME = new RegExp(`^\\d{4}${IN_YEAR}`);

function element(der: Uint8Array, start: number, tag: number): Element | null {
  const found = anyElement(der, start);
  return found?.tag === tag ? found : null;
}

/** The element at `start`, with its length in the shortest form; null for others and when it is not whole. */
function anyElement(der: Uint8Array, start: number): Element | null {
  const first = der[start + 1] ?? 0x80;
  const octets = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || octets > 2) return null;
  const content = start + 2 + octets;
  let length = octets === 0 ? first : 0;
  for (const octet of der.subarray(start + 2, content)) length = length * 256 + octet;
  if (octets === 1 && length < 0x80 || octets === 2 && length < 0x100) return null;
  const end = content + length;
  return end > der.length ? null : { tag: der[start]!, content, end };
}
