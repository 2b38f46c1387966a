/**
 * Base64 between byte strings and text.
 *
 * @module
 */

const EQUALS = 0x3d;

/** 1 for every character of the alphabet of RFC 4648 §4. */
const ALPHABET = new Uint8Array(256);
for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
  ALPHABET[character.charCodeAt(0)] = 1;
}

/** Encodes a byte string with padding (RFC 4648 §4). The argument must be a byte string. */
export function encodeBase64(byteString: string): string {
  return btoa(byteString);
}

/**
 * Decodes to a byte string, or null where nginx's decoder finds an error: a foreign character, or one character
 * left over. It ends at the first `=`, whatever follows, and does without padding (spec §2.4.2).
 */
export function decodeBase64(text: string): string | null {
  let length = 0;
  for (; length < text.length; length++) {
    const unit = text.charCodeAt(length);
    if (unit === EQUALS) break;
    // `atob` alone would skip white space.
    if (ALPHABET[unit] !== 1) return null;
  }
  if (length % 4 === 1) return null;
  return atob(length === text.length ? text : text.slice(0, length));
}
