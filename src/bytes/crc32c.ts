/**
 * The Castagnoli CRC of RFC 3309 and RFC 3720 §12.1.
 *
 * @module
 */

/** The polynomial 0x1EDC6F41, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = new Uint32Array(256);
for (let octet = 0; octet < 256; octet++) {
  let remainder = octet;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder & 1) === 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  }
  TABLE[octet] = remainder;
}

/** CRC-32C of the octets, an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
