/**
 * Whether the runtime's TLS library reads a server's certificate as it is written.
 *
 * Where it does not, the runtime falls back to checks of its own: it takes the signature of the handshake for good, and
 * whoever has a certificate for an authority. Only the part that an issuer has signed has to be his: anybody can write
 * the rest of his certificate, or the dates of one that he makes, so that the library cannot read it.
 *
 * @module
 */
import { type Certificate, contentOf, hex, isVersion3, nextOf } from "./x509_certificate.ts";

/** Why nobody can be known by a certificate that is written so, or null. */
export function formDefect(der: Uint8Array, { parsed }: Certificate): string | null {
  if (!isVersion3(der)) return OLD_VERSION;
  if (!isReadAsAuthority(der)) return "unsupported form of the certificate";
  // What follows the library reads later than the rest.
  if (!hasPlainDates(der)) return "unsupported form of the dates";
  if (!parsed.extensions.every(isPlain)) return "unsupported form of an extension";
  return der.toHex().includes(hex(parsed.publicKey.rawData)) ? null : "unsupported form of the key";
}

/** The runtime's word for all versions but 3. */
const OLD_VERSION = "unsupported certificate version";

/** Whether the library takes it for the certificate of an authority, for which it reads it as any other. */
export function isReadAsAuthority(der: Uint8Array): boolean {
  const pem = `-----BEGIN CERTIFICATE-----\n${der.toBase64()}\n-----END CERTIFICATE-----\n`;
  try {
    // The only use of the library that throws for one that it cannot read. No connection is made.
    Deno.createHttpClient({ caCerts: [pem] }).close();
    return true;
  } catch {
    return false;
  }
}

const BASIC_CONSTRAINTS = "2.5.29.19";
const EXTENDED_KEY_USAGE = "2.5.29.37";
/** In hexadecimal: no authority's, with its default written or not, or one's, with or without a path length. */
const PLAIN_BASIC_CONSTRAINTS = /^30(?:00|03010100|030101ff|060101ff0201[0-7].)$/;
/** `SEQUENCE OF OBJECT IDENTIFIER`, with room for some ten. */
const SHORT_LIST = /^30(?:[0-7].|81..)/;

/** Whether an extension by which the library judges is written as it reads it. */
function isPlain({ type, value }: { readonly type: string; readonly value: ArrayBuffer }): boolean {
  const digits = hex(value);
  if (type === BASIC_CONSTRAINTS) return PLAIN_BASIC_CONSTRAINTS.test(digits);
  return type !== EXTENDED_KEY_USAGE || SHORT_LIST.test(digits) && isListOfNames(new Uint8Array(value));
}

const OBJECT_IDENTIFIER = 0x06;

function isListOfNames(der: Uint8Array): boolean {
  let at = contentOf(der, 0);
  while (at < der.length && der[at] === OBJECT_IDENTIFIER && der[at + 1]! > 0 && der[at + 1]! < 0x80) {
    at = nextOf(der, at);
  }
  return at === der.length && nextOf(der, 0) === at && (der[1]! < 0x80 || der[2]! >= 0x80);
}

/** The fields before `validity`: version, serialNumber, signature, issuer (RFC 5280 §4.1). */
const FIELDS_BEFORE_DATES = 4;

/** Whether both dates are in one of the two forms that RFC 5280 §4.1.2.5 allows, and not before 1970. */
function hasPlainDates(der: Uint8Array): boolean {
  let at = contentOf(der, contentOf(der, 0));
  for (let field = 0; field < FIELDS_BEFORE_DATES; field++) at = nextOf(der, at);
  const notBefore = contentOf(der, at);
  const notAfter = nextOf(der, notBefore);
  return isPlainDate(der, notBefore) && isPlainDate(der, notAfter) &&
    nextOf(der, notAfter) === nextOf(der, at);
}

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
/** UTCTime has two digits for years from 1950 to 2049. */
const FIRST_YEAR_OF_1900S = "50";

function isPlainDate(der: Uint8Array, at: number): boolean {
  const tag = der[at];
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) return false;
  const digits = String.fromCharCode(...der.subarray(contentOf(der, at), nextOf(der, at)));
  const century = tag === GENERALIZED_TIME ? "" : digits < FIRST_YEAR_OF_1900S ? "20" : "19";
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + digits);
  if (parts === null) return false;
  const [year, month, day, hour, minute, second] = parts.slice(1);
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const date = new Date(text);
  // A day that is not in the month would be one of the next.
  return date.getTime() >= 0 && date.toISOString() === text;
}
