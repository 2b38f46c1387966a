/**
 * The xtext encoding of RFC 3461 §4, which XCLIENT uses for its values.
 *
 * @module
 */

const PLUS = 0x2b;
const EQUALS = 0x3d;
const HEX = "0123456789ABCDEF";

/** Whether an octet stands for itself: `xchar` of RFC 3461 §4. */
function isXchar(octet: number): boolean {
  return octet >= 0x21 && octet <= 0x7e && octet !== PLUS && octet !== EQUALS;
}

/** Encodes a byte string: what is not an `xchar` becomes `+XX`. Units above 0xFF become `?`. */
export function encodeXtext(byteString: string): string {
  let encoded = "";
  let copied = 0;
  for (let i = 0; i < byteString.length; i++) {
    const unit = byteString.charCodeAt(i);
    if (isXchar(unit)) continue;
    encoded += byteString.slice(copied, i);
    encoded += unit > 0xff ? "?" : `+${HEX[unit >> 4]}${HEX[unit & 0x0f]}`;
    copied = i + 1;
  }
  return copied === 0 ? byteString : encoded + byteString.slice(copied);
}

/** Decodes to a byte string, or null when the text is not xtext (RFC 3461 §4: upper-case digits only). */
export function decodeXtext(text: string): string | null {
  let decoded = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === PLUS) {
      const high = hexValue(text.charCodeAt(i + 1));
      const low = hexValue(text.charCodeAt(i + 2));
      if (high < 0 || low < 0) return null;
      decoded += String.fromCharCode(high * 16 + low);
      i += 2;
    } else if (isXchar(unit)) {
      decoded += text[i];
    } else {
      return null;
    }
  }
  return decoded;
}

/** Value of an upper-case hexadecimal digit, or -1 (also for NaN, behind the end of the text). */
function hexValue(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  if (unit >= 0x41 && unit <= 0x46) return unit - 0x41 + 10;
  return -1;
}
