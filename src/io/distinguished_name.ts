import type * as x509 from "@peculiar/x509";

/** Short names of OpenSSL for attribute types; the library names a few itself. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.4", "SN"],
  ["2.5.4.5", "serialNumber"],
  ["2.5.4.6", "C"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.9", "street"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["2.5.4.12", "title"],
  ["2.5.4.13", "description"],
  ["2.5.4.15", "businessCategory"],
  ["2.5.4.16", "postalAddress"],
  ["2.5.4.17", "postalCode"],
  ["2.5.4.18", "postOfficeBox"],
  ["2.5.4.20", "telephoneNumber"],
  ["2.5.4.41", "name"],
  ["2.5.4.42", "GN"],
  ["2.5.4.43", "initials"],
  ["2.5.4.44", "generationQualifier"],
  ["2.5.4.45", "x500UniqueIdentifier"],
  ["2.5.4.46", "dnQualifier"],
  ["2.5.4.65", "pseudonym"],
  ["2.5.4.72", "role"],
  ["2.5.4.97", "organizationIdentifier"],
  ["0.9.2342.19200300.100.1.1", "UID"],
  ["0.9.2342.19200300.100.1.3", "mail"],
  ["0.9.2342.19200300.100.1.25", "DC"],
  ["1.2.840.113549.1.9.1", "emailAddress"],
  ["1.2.840.113549.1.9.2", "unstructuredName"],
  ["1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"],
  ["1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"],
  ["1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"],
  // The library's own names where they are not OpenSSL's.
  ["E", "emailAddress"],
  ["G", "GN"],
  ["I", "initials"],
  ["T", "title"],
]);

/**
 * A name as OpenSSL prints it with XN_FLAG_RFC2253, which is what nginx sends: most specific part first, everything
 * beyond printable ASCII as `\XX` octets of UTF-8. Of an attribute type that neither knows, the value is `#` and DER.
 */
export function formatDistinguishedName(name: x509.Name): string {
  const parts: string[] = [];
  for (const relative of name.toJSON()) {
    const attributes: string[] = [];
    for (const [type, values] of Object.entries(relative)) {
      for (const value of values) attributes.push(`${SHORT_NAMES.get(type) ?? type}=${formatValue(value)}`);
    }
    parts.push(attributes.reverse().join("+"));
  }
  return parts.reverse().join(",");
}

function formatValue(value: string): string {
  const octets = new TextEncoder().encode(value);
  let text = "";
  octets.forEach((octet, at) => {
    const isFirst = at === 0;
    const isLast = at === octets.length - 1;
    text += escapeOctet(octet, isFirst, isLast);
  });
  return text;
}

/** RFC 2253 §2.4, with OpenSSL's ASN1_STRFLGS_ESC_CTRL and ESC_MSB. */
function escapeOctet(octet: number, isFirst: boolean, isLast: boolean): string {
  const character = String.fromCharCode(octet);
  if (octet < 0x20 || octet > 0x7e) return "\\" + octet.toString(16).toUpperCase().padStart(2, "0");
  if (',+"\\<>;'.includes(character)) return "\\" + character;
  if ((isFirst && (character === "#" || character === " ")) || (isLast && character === " ")) {
    return "\\" + character;
  }
  return character;
}
